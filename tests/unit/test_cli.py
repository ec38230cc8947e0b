"""The command line as a person and a scheduler meet it: processes, their output and their exit codes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightslate.cli.app import exit_by_kind

PROJECT = Path(__file__).parents[2]


def nightslate(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightslate.cli", *arguments],
        env={**os.environ, "NIGHTSLATE_DAGS": str(PROJECT / "dags"), "NIGHTSLATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["slates", "-p", "nope"], 78, "SpecError: no program 'nope'"),
        (["slates", "-p", "open_bandit"], 65, "has no published slates"),
        (["run", "-p", "open_bandit", "--ds", "yesterday"], 78, "write YYYY-MM-DD"),
        (["step", "ingest", "-p", "../open_bandit", "--ds", "2019-11-24"], 78, "is not a program's name"),
        (["run", "-p", "open_bandit", "--ds", "9999-12-31"], 78, "is no day of data"),
        (["run", "-p", "open_bandit", "--ds", "2019-11-23"], 78, "is before 2019-11-24, the start_date"),
        (["rollback", "-p", "open_bandit", "--day", "2019-11-25", "--to-version", "0"], 78, "no version 0"),
        (["step", "dance", "-p", "open_bandit", "--ds", "2019-11-24"], 78, "the steps of a night are ingest"),
        (["publish"], 2, "No such command"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    answer = nightslate(*arguments, home=tmp_path)

    assert answer.returncode == code
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("Job aborted\n\tat X.java\nCaused by: java.io.IOException: No space left on device"),
        RuntimeError("(sqlite3.OperationalError) database or disk is full"),
    ],
)
def test_a_full_disk_is_one_message_whoever_has_met_it(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        exit_by_kind(lambda: _raise(error))

    assert ended.value.code == 69
    assert capsys.readouterr().err.startswith("MachineError: no space is left on a disk")


def test_an_error_that_nobody_expected_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="something else"):
        exit_by_kind(lambda: _raise(OSError("something else")))


def test_the_command_line_loads_no_engine_before_it_needs_one() -> None:
    probe = (
        "import sys, nightslate.cli; print([m for m in ('pyspark', 'mlflow', 'numpy') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_doctor_checks_java_and_the_pyspark_conflict(tmp_path: Path) -> None:
    answer = nightslate("doctor", home=tmp_path)

    assert "ok   Java in" in answer.stdout
    assert "pyspark's files are those of its wheel" in answer.stdout


def _raise(error: Exception) -> None:
    raise error

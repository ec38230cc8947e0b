"""Steps as real processes: their exit codes become exceptions, and killing one leaves nothing behind."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.retry_policy import RetryAction

from nightslate import errors
from nightslate.orchestration.dag_factory import build_dag
from nightslate.orchestration.failures import (
    RETRY_POLICY,
    StepFailedError,
    StepInterruptedError,
    raise_for_exit_code,
)
from nightslate.orchestration.operators import PythonStep, SparkStep

DAGS = Path(__file__).parents[2] / "dags"
CONTEXT = {"run_id": "manual__1"}
Write = Callable[[str], None]


def python_step(step: str = "promote", program: str = "open_bandit", dags: Path = DAGS) -> PythonStep:
    return PythonStep(task_id=step, step=step, program=program, ds="2019-11-24", dags_folder=str(dags))


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a shell script in the place of the engine's interpreter."""

    def write(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("NIGHTSLATE_PYTHON", str(path))

    return write


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (errors.ContractError.exit_code, StepFailedError),
        (errors.LandingError.exit_code, StepFailedError),
        (errors.SpecError.exit_code, StepFailedError),
        (errors.SupersededError.exit_code, StepFailedError),
        (errors.MachineError.exit_code, StepFailedError),
        (errors.NightslateError.exit_code, StepFailedError),
        (errors.CommitConflictError.exit_code, StepInterruptedError),
        (1, StepInterruptedError),
        (137, StepInterruptedError),
        (-9, StepInterruptedError),
    ],
)
def test_an_exit_code_says_what_is_worth_a_retry(code: int, outcome: type[Exception]) -> None:
    with pytest.raises(outcome, match=f"step train .* {code}"):
        raise_for_exit_code("train", code)


def test_success_raises_nothing() -> None:
    raise_for_exit_code("train", 0)


def test_airflow_fails_a_failed_step_at_once_and_retries_an_interrupted_one() -> None:
    decisions = [RETRY_POLICY.evaluate(e, 1, 2).action for e in (StepFailedError(), StepInterruptedError())]

    assert decisions == [RetryAction.FAIL, RetryAction.RETRY]


def test_every_task_of_a_dag_has_the_retry_policy() -> None:
    tasks: list[BaseOperator] = build_dag(DAGS / "open_bandit.py").tasks

    assert {(task.retry_policy is RETRY_POLICY, task.retries > 0) for task in tasks} == {(True, True)}


def test_a_python_step_runs_the_command_line_of_its_night(interpreter: Write, tmp_path: Path) -> None:
    interpreter(f'echo "$@" "$NIGHTSLATE_DAGS" "$NIGHTSLATE_RUN_ID" > {tmp_path / "seen"}')

    python_step().execute(CONTEXT)

    command = "-m nightslate.cli step promote --program open_bandit --ds 2019-11-24"
    assert (tmp_path / "seen").read_text() == f"{command} {DAGS} manual__1\n"


@pytest.mark.parametrize(("code", "outcome"), [(65, StepFailedError), (75, StepInterruptedError)])
def test_a_python_step_raises_by_its_exit_code(
    interpreter: Write, code: int, outcome: type[Exception]
) -> None:
    interpreter(f"exit {code}")

    with pytest.raises(outcome):
        python_step().execute(CONTEXT)


def test_the_real_command_line_fails_for_good_on_an_unknown_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSLATE_PYTHON", sys.executable)

    with pytest.raises(StepFailedError, match=str(errors.SpecError.exit_code)):
        python_step(program="nobody", dags=tmp_path).execute(CONTEXT)


def test_a_killed_python_step_takes_its_children_with_it(interpreter: Write, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    interpreter(f"sleep 300 & echo $$ $! > {pids}; wait")
    step = python_step()
    running = start(step)
    # the shell may write before the step knows the process that it started
    while step._process is None or not (pids.is_file() and pids.read_text().endswith("\n")):
        time.sleep(0.05)

    step.on_kill()
    running.join(timeout=20)

    assert not running.is_alive()
    assert [pid for pid in map(int, pids.read_text().split()) if is_running(pid)] == []


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [("raise SystemExit(65)", StepFailedError), ("raise SystemExit(75)", StepInterruptedError)],
)
def test_a_spark_step_raises_by_the_exit_code_of_its_driver(
    spark_job: Callable[[str], SparkStep], ending: str, outcome: type[Exception]
) -> None:
    with pytest.raises(outcome):
        spark_job(ending).execute(CONTEXT)


def test_a_spark_step_gives_its_job_the_night(spark_job: Callable[[str], SparkStep], tmp_path: Path) -> None:
    spark_job(
        "import os, sys; from pathlib import Path\n"
        "words = [*sys.argv[1:], os.environ['NIGHTSLATE_RUN_ID']]\n"
        f"Path({str(tmp_path / 'seen')!r}).write_text(' '.join(words))"
    ).execute(CONTEXT)

    assert (tmp_path / "seen").read_text() == "--program shop --ds 2019-11-24 manual__1"


def test_a_killed_spark_step_takes_its_driver_with_it(
    spark_job: Callable[[str], SparkStep], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    step = spark_job(
        "import os, time; from pathlib import Path\n"
        f"Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(300)"
    )
    running = start(step)
    while not (pid_file.is_file() and pid_file.read_text()):
        time.sleep(0.1)

    step.on_kill()
    running.join(timeout=20)

    assert not running.is_alive()
    assert not is_running(int(pid_file.read_text()))


@pytest.fixture
def spark_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SparkStep]:
    """A Spark step whose job is the script given."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NIGHTSLATE_PYTHON", sys.executable)

    def make(script: str) -> SparkStep:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "train.py").write_text(script)
        dags = str(tmp_path / "dags")
        return SparkStep(task_id="train", step="train", program="shop", ds="2019-11-24", dags_folder=dags)

    return make


def start(step: BaseOperator) -> threading.Thread:
    """Execute a step that is going to be killed."""

    def execute() -> None:
        with pytest.raises(StepInterruptedError):
            step.execute(CONTEXT)

    thread = threading.Thread(target=execute)
    thread.start()
    return thread


def is_running(pid: int) -> bool:
    """Whether a process still does something: one that ended, but that nobody waited for, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""Steps as real processes: their exit codes become exceptions, and killing one leaves nothing behind."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowException

from nightslate import errors
from nightslate.orchestration.dag_factory import build_dag
from nightslate.orchestration.failures import (
    RETRY_POLICY,
    StepFailedError,
    StepInterruptedError,
    raise_for_exit_code,
)
from nightslate.orchestration.operators import QUIET, PythonStep, SparkStep, pseudonym_key
from nightslate.outcomes import Outcome
from nightslate.programs import pack
from nightslate.tables import Warehouse

DAGS = Path(__file__).parents[2] / "dags"
TEXT = (DAGS / "open_bandit.yaml").read_text()
CONTEXT = {"run_id": "manual__1", "ti": SimpleNamespace(try_number=1)}
KEY = "a secret of the tests alone"
Write = Callable[[str], None]
SparkJob = Callable[[str], SparkStep]


def python_step(step: str = "promote", text: str = TEXT, issue: str | None = None) -> PythonStep:
    return PythonStep(
        task_id=step, step=step, program="open_bandit", ds="2019-11-24", packed=pack(text), issue=issue
    )


@pytest.fixture(autouse=True)
def _warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step finds a program, a key or a warehouse but those of its test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path / "warehouse"))
    for name in ("NIGHTSLATE_DAGS", "NIGHTSLATE_ENGINE", "NIGHTSLATE_PSEUDONYM_KEY"):
        monkeypatch.delenv(name, raising=False)


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
    interpreter(f'echo "$@" "$NIGHTSLATE_RUN_ID" > {tmp_path / "seen"}')

    python_step().execute(CONTEXT)

    command = "-m nightslate.cli step promote --program open_bandit --ds 2019-11-24 --packed"
    assert (tmp_path / "seen").read_text() == f"{command} {pack(TEXT)} manual__1\n"


def test_a_step_has_the_key_of_a_connection_in_its_environment_and_nowhere_else(
    interpreter: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    interpreter(f'echo "$@" > {tmp_path / "arguments"}; env > {tmp_path / "environment"}')
    connection = {"conn_type": "generic", "password": KEY, "extra": {"key_version": "2027"}}
    monkeypatch.setenv("AIRFLOW_CONN_NIGHTSLATE", json.dumps(connection))

    python_step().execute(CONTEXT)

    environment = (tmp_path / "environment").read_text().splitlines()
    assert f"NIGHTSLATE_PSEUDONYM_KEY={KEY}" in environment
    assert "NIGHTSLATE_PSEUDONYM_KEY_VERSION=2027" in environment
    assert KEY not in "".join([(tmp_path / "arguments").read_text(), *capfd.readouterr()])
    assert "NIGHTSLATE_PSEUDONYM_KEY" not in os.environ


def test_the_key_of_the_worker_comes_before_that_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NIGHTSLATE", json.dumps({"conn_type": "generic", "password": KEY}))
    assert pseudonym_key("nightslate") == {"NIGHTSLATE_PSEUDONYM_KEY": KEY}

    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "the worker's own")
    assert pseudonym_key("nightslate") == {}


def test_a_key_that_is_nowhere_is_for_the_step_to_miss() -> None:
    assert pseudonym_key("no_such_connection") == {}


@pytest.mark.parametrize(("code", "outcome"), [(65, StepFailedError), (75, StepInterruptedError)])
def test_a_python_step_raises_by_its_exit_code(
    interpreter: Write, code: int, outcome: type[Exception]
) -> None:
    interpreter(f"exit {code}")

    with pytest.raises(outcome):
        python_step().execute(CONTEXT)


def test_the_program_travels_with_the_step_and_is_held_to_its_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no DAGs folder here."""
    monkeypatch.setenv("NIGHTSLATE_PYTHON", sys.executable)

    with pytest.raises(StepFailedError, match=str(errors.SpecError.exit_code)):
        python_step(text=TEXT.replace("start_date: 2019", "start_date: 2020")).execute(CONTEXT)
    assert "is before 2020-11-24, the start_date of open_bandit" in capsys.readouterr().out
    with pytest.raises(StepFailedError, match=str(errors.SpecError.exit_code)):
        python_step(text=f"{TEXT}\nsurprise: 1\n").execute(CONTEXT)


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
    spark_job: SparkJob, ending: str, outcome: type[Exception]
) -> None:
    with pytest.raises(outcome):
        spark_job(ending).execute(CONTEXT)


def test_a_spark_step_gives_its_job_the_night_and_the_key(
    spark_job: SparkJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NIGHTSLATE", json.dumps({"conn_type": "generic", "password": KEY}))
    names = ("NIGHTSLATE_RUN_ID", "NIGHTSLATE_HOME", "PYSPARK_PYTHON", "NIGHTSLATE_PSEUDONYM_KEY")

    spark_job(
        "import json, os, sys; from pathlib import Path\n"
        f"seen = [sys.argv[1:], [os.environ[name] for name in {names}]]\n"
        f"Path({str(tmp_path / 'seen')!r}).write_text(json.dumps(seen))"
    ).execute(CONTEXT)

    arguments, environment = json.loads((tmp_path / "seen").read_text())
    assert arguments[:7] == ["train", "--program", "shop", "--ds", "2019-11-24", "--packed", pack(TEXT)]
    assert environment == ["manual__1", str(tmp_path / "warehouse"), sys.executable, KEY]
    assert "NIGHTSLATE_PSEUDONYM_KEY" not in os.environ


def test_the_real_job_says_why_it_failed_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The application of the package, the text of the program alone, and the message of the error itself."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    text = TEXT.replace("start_date: 2019", "start_date: 2020")
    step = SparkStep(task_id="train", step="train", program="open_bandit", ds="2019-11-24", packed=pack(text))

    with pytest.raises(StepFailedError, match="SpecError: the night of 2019-11-24 is before 2020-11-24"):
        step.execute(CONTEXT)

    assert [path for path in (tmp_path / "warehouse").rglob("*") if path.is_file()] == []


def test_only_spark_on_the_worker_itself_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def confs(host: str) -> dict[str, str]:
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps({"conn_type": "spark", "host": host}))
        step = SparkStep(
            task_id="train",
            step="train",
            program="shop",
            ds="2019-11-24",
            packed=pack(TEXT),
            conn_id="cluster",
            conf={"spark.log.level": "INFO"},
        )
        return dict(step._get_hook()._conf)

    assert confs("spark://somewhere:7077") == {"spark.log.level": "INFO"}
    assert confs("local[2]") == {**QUIET, "spark.log.level": "INFO"}


CLUSTER = """#!{python}
import os, subprocess, sys
arguments = sys.argv[1:]
application = next(at for at, word in enumerate(arguments) if word.endswith("run_step.py"))
confs = [b for a, b in zip(arguments, arguments[1:]) if a == "--conf"]
prefix = "spark.yarn.appMasterEnv."
driver = dict(conf.removeprefix(prefix).split("=", 1) for conf in confs if conf.startswith(prefix))
driver = {{"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **driver}}
open({seen!r}, "w").write(repr([arguments, driver, dict(os.environ)]))
{driver}
print("application_1_1 ended with final status: FAILED")
sys.exit(1)
"""
"""What spark-submit does on YARN in cluster mode: the driver has an environment of its own, and whatever
becomes of it, spark-submit exits with 1."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SparkStep]:
    """A step whose driver runs on a cluster."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    connection = {"conn_type": "yarn", "extra": {"deploy-mode": "cluster"}}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_NIGHTSLATE", json.dumps({"conn_type": "generic", "password": KEY}))

    def make(driver: str, ds: str = "2019-11-23") -> SparkStep:
        script = CLUSTER.format(python=sys.executable, seen=str(tmp_path / "seen"), driver=driver)
        (tmp_path / "bin" / "spark-submit").write_text(script)
        (tmp_path / "bin" / "spark-submit").chmod(0o755)
        return SparkStep(
            task_id="train",
            step="train",
            program="open_bandit",
            ds=ds,
            packed=pack(TEXT),
            conn_id="cluster",
            durable=False,
        )

    return make


REAL_DRIVER = "subprocess.run([sys.executable, *arguments[application:]], env=driver, cwd='/', check=False)"


def test_a_driver_on_a_cluster_says_itself_why_it_failed(
    cluster: Callable[[str], SparkStep], tmp_path: Path
) -> None:
    with pytest.raises(StepFailedError, match="exit code 78: SpecError: the night of 2019-11-23 is before"):
        cluster(REAL_DRIVER).execute(CONTEXT)

    arguments, driver, submitting = eval((tmp_path / "seen").read_text())  # noqa: S307 (our own)
    assert "PYSPARK_PYTHON" not in driver  # that is a path of the worker
    assert KEY not in "".join(arguments)
    assert "NIGHTSLATE_PSEUDONYM_KEY" not in submitting
    assert driver["NIGHTSLATE_HOME"] == str(tmp_path / "warehouse")
    assert [path for path in (tmp_path / "warehouse").rglob("*") if path.is_file()] == []


def test_a_driver_that_was_lost_on_a_cluster_is_tried_again(cluster: Callable[[str], SparkStep]) -> None:
    with pytest.raises(AirflowException) as lost:
        cluster("pass").execute(CONTEXT)

    assert not isinstance(lost.value, errors.NightslateError)  # Airflow's own, with what the cluster said
    assert RETRY_POLICY.evaluate(lost.value, 1, 2).action is not RetryAction.FAIL


def test_what_an_earlier_attempt_left_is_not_taken_for_this_one(
    cluster: Callable[[str], SparkStep], tmp_path: Path
) -> None:
    """Its worker was lost before it could look."""
    with pytest.raises(StepFailedError):
        cluster(REAL_DRIVER).execute(CONTEXT)
    arguments, _, _ = eval((tmp_path / "seen").read_text())  # noqa: S307 (our own)
    left = Outcome(errors.SpecError.exit_code, "SpecError", "of the first attempt")
    left.leave(Path(arguments[arguments.index("--outcome") + 1]))

    second = {**CONTEXT, "ti": SimpleNamespace(try_number=2)}
    with pytest.raises(AirflowException) as lost:
        cluster("pass").execute(second)

    assert not isinstance(lost.value, StepFailedError)


def test_a_task_that_comes_back_to_a_driver_takes_the_outcome_of_that(
    cluster: Callable[[str], SparkStep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's operator finds an earlier attempt's application on the cluster and waits for it."""
    step = cluster("pass")

    def come_back(step: SparkStep, context: object) -> None:
        left = Outcome(errors.ContractError.exit_code, "ContractError", "of the first attempt")
        (file,) = [word for word in step.application_args if word.endswith(".json")]
        left.leave(Path(file.replace("0002.json", "0001.json")))
        raise RuntimeError("the application failed")

    monkeypatch.setattr(SparkSubmitOperator, "execute", come_back)

    with pytest.raises(StepFailedError, match="ContractError: of the first attempt"):
        step.execute({**CONTEXT, "ti": SimpleNamespace(try_number=2)})


def test_a_killed_spark_step_takes_its_driver_with_it(spark_job: SparkJob, tmp_path: Path) -> None:
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
def spark_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SparkJob:
    """A Spark step whose job is the script given."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NIGHTSLATE_PYTHON", sys.executable)

    def make(script: str) -> SparkStep:
        application = tmp_path / "application.py"
        application.write_text(script)
        return SparkStep(
            task_id="train",
            step="train",
            program="shop",
            ds="2019-11-24",
            packed=pack(TEXT),
            application=str(application),
        )

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


@pytest.mark.parametrize("issue", [None, "pricing"])
def test_tasks_link_to_the_pages_that_they_write(
    issue: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "warehouse"
    pages = {
        "page of the night": Warehouse(home).report("open_bandit", date(2019, 11, 24), issue),
        "all nights": Warehouse(home).dashboard("open_bandit"),
    }

    def links(step: str) -> dict[str, str]:
        task = python_step(step, issue=issue)
        return {link.name: link.get_link(task, ti_key=None) for link in task.operator_extra_links}

    assert links("report") == {name: page.as_uri() for name, page in pages.items()}
    assert list(links("dashboard")) == ["all nights"]
    assert links("promote") == {}
    monkeypatch.setenv("NIGHTSLATE_PAGES", "https://pages.example/")
    served = {
        name: f"https://pages.example/{page.relative_to(home / 'reports')}" for name, page in pages.items()
    }
    assert links("report") == served

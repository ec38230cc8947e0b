"""The DAGs that ship: they parse fast and light, and say what the plan says."""

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference
from airflow.serialization.serialized_objects import DagSerialization

import nightslate
from nightslate.orchestration.dag_factory import DS, EXECUTION_TIMEOUT, build_dag
from nightslate.orchestration.landing import LandingSensor
from nightslate.orchestration.operators import PythonStep, SparkStep
from nightslate.pipeline.plan import plan
from nightslate.pipeline.tasks import Task
from nightslate.programs import load, unpack

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))
OPERATING = (DAGS.parent / "docs" / "operating.md").read_text()


@pytest.fixture(autouse=True)
def _installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has chosen no engine."""
    monkeypatch.delenv("NIGHTSLATE_ENGINE", raising=False)


@pytest.fixture(params=["open_bandit", "next_best_action"])
def dag(request: pytest.FixtureRequest) -> DAG:
    return build_dag(DAGS / f"{request.param}.py")


def test_every_program_has_a_dag_and_every_dag_a_program() -> None:
    assert [file.stem for file in FILES] == [file.stem for file in sorted(DAGS.glob("*.yaml"))]


def test_airflow_reads_all_of_them_without_an_error() -> None:
    bag = DagBag(DAGS, safe_mode=True)

    assert bag.import_errors == {}
    programs = [load(file.with_suffix(".yaml")) for file in FILES]
    of_updates = [f"{program.program}_updates" for program in programs if program.updates]
    assert sorted(bag.dags) == sorted([*(file.stem for file in FILES), *of_updates])


def test_a_dag_file_imports_nothing_heavy() -> None:
    """Airflow parses it again and again."""
    script = (
        "import json, runpy, sys, airflow.sdk\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(FILES[0])!r})\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = json.loads(result.stdout.splitlines()[-1])

    heavy = {"pyspark", "sklearn", "mlflow", "pandas", "numpy", "scipy", "pyarrow", "deltalake"}
    assert heavy.isdisjoint(modules)


def test_the_tasks_are_the_steps_of_the_plan_after_the_landing(dag: DAG) -> None:
    upstream = {task.task_id: task.upstream_task_ids for task in dag.tasks}

    assert upstream == {
        "landing": set(),
        **{
            task.name: {before.name for before in task.after} or {"landing"}
            for task in plan(load(DAGS / f"{dag.dag_id}.yaml"))
        },
    }


def test_the_web_server_knows_of_the_links_to_pages(dag: DAG) -> None:
    shown = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    links = {task.task_id: [link.name for link in task.operator_extra_links] for task in shown.tasks}
    assert links["report"] == ["page of the night", "all nights"]
    assert links["dashboard"] == ["all nights"]
    assert links["publish"] == []


def test_heavy_steps_run_on_spark_unless_it_was_told(dag: DAG) -> None:
    for planned in plan(load(DAGS / f"{dag.dag_id}.yaml")):
        step = planned.step
        task = dag.get_task(step.name)
        assert isinstance(task, SparkStep if step.heavy else PythonStep)
        assert task.pool == "default_pool"


@pytest.mark.parametrize(
    ("of_the_program", "of_the_installation", "on_spark"),
    [(None, "local", False), ("spark", "local", True), ("local", "spark", False), (None, None, True)],
)
def test_the_program_chooses_its_engine_else_the_installation_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    of_the_program: str | None,
    of_the_installation: str | None,
    on_spark: bool,
) -> None:
    if of_the_installation:
        monkeypatch.setenv("NIGHTSLATE_ENGINE", of_the_installation)
    engine = f"\nengine: {of_the_program}\n" if of_the_program else ""
    (tmp_path / "open_bandit.yaml").write_text((DAGS / "open_bandit.yaml").read_text() + engine)

    dag = build_dag(tmp_path / "open_bandit.py")

    heavy = {"ingest", "attribute", "train", "evaluate", "score", "audit"}
    found = {task.task_id for task in dag.tasks if isinstance(task, SparkStep)}
    assert found == (heavy if on_spark else set())


def test_an_engine_that_there_is_not_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSLATE_ENGINE", "flink")

    errors = DagBag(DAGS).import_errors

    assert len(errors) == len(FILES)
    assert all("NIGHTSLATE_ENGINE is 'flink': choose one of local, spark" in e for e in errors.values())


def test_a_step_carries_its_program_and_submits_a_file_of_the_package(dag: DAG, tmp_path: Path) -> None:
    """Wherever the DAG file lies."""
    for name in (f"{dag.dag_id}.py", f"{dag.dag_id}.yaml"):
        shutil.copy(DAGS / name, tmp_path)

    tasks = [task for task in build_dag(tmp_path / f"{dag.dag_id}.py").tasks if task.task_id != "landing"]

    assert {unpack(task.packed) for task in tasks} == {(DAGS / f"{dag.dag_id}.yaml").read_text()}
    applications = {Path(task.application) for task in tasks if isinstance(task, SparkStep)}
    assert applications == {Path(nightslate.__file__).parent / "jobs" / "run_step.py"}
    assert all(path.is_file() for path in applications)


def test_the_folder_of_the_application_hides_no_module() -> None:
    """spark-submit puts it before all others that modules are imported from."""
    folder = Path(nightslate.__file__).parent / "jobs"
    names = {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__"}

    assert names == {"run_step"}
    assert names.isdisjoint(sys.stdlib_module_names)


def told(context: object) -> None:
    """A callback."""


async def told_late() -> None:
    """One of a deadline."""


def test_what_users_of_airflow_pass_reaches_dag_and_tasks() -> None:
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=8),
        callback=AsyncCallback(told_late),
    )
    dag = build_dag(
        DAGS / "open_bandit.py",
        default_args={
            "pool": "nights",
            "executor_config": {"pod_override": 1},
            "on_failure_callback": told,
            "execution_timeout": timedelta(hours=1),
            "retries": 5,
        },
        tags=["shop"],
        params={"region": "EU"},
        spark_conn_id="cluster",
        spark_conf={"spark.executor.instances": "3"},
        key_conn_id="our_key",
        on_success_callback=told,
        deadline=deadline,
        dagrun_timeout=timedelta(hours=10),
        max_active_tasks=3,
    )

    assert dag.tags == {"nightslate", "shop"}
    assert (dag.on_success_callback, dag.max_active_tasks) == (told, 3)
    assert dag.dagrun_timeout == timedelta(hours=10)
    assert dag.deadline == [deadline]
    assert set(dag.params) == {"landing_timeout_minutes", "region"}
    for task in dag.tasks:
        assert (task.pool, task.executor_config, task.retries) == ("nights", {"pod_override": 1}, 5)
        assert list(task.on_failure_callback) == [told]
        assert task.owner == load(DAGS / "open_bandit.yaml").owner
        if task.task_id != "landing":
            assert task.key_conn_id == "our_key"
            assert task.execution_timeout == timedelta(hours=1)
        if isinstance(task, SparkStep):
            assert (task._conn_id, task.conf) == ("cluster", {"spark.executor.instances": "3"})


def test_one_hook_adjusts_the_operator_of_a_step() -> None:
    def adjust(task: Task, arguments: dict[str, Any]) -> dict[str, Any]:
        return {**arguments, "driver_memory": "8g"} if task.name == "train" else arguments

    dag = build_dag(DAGS / "open_bandit.py", adjust=adjust)

    memory = {task.task_id: task._driver_memory for task in dag.tasks if isinstance(task, SparkStep)}
    assert {name for name, value in memory.items() if value == "8g"} == {"train"}


def test_the_example_of_the_documentation_is_a_dag() -> None:
    (code,) = re.findall(r"^```python build_dag\n(.*?)^```$", OPERATING, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__file__": str(DAGS / "open_bandit.py")}
    exec(compile(code, "docs/operating.md", "exec"), names)  # noqa: S102 (our own page)

    tasks = {task.task_id: task for task in names["dag"].tasks}
    assert {task.pool for task in tasks.values() if isinstance(task, SparkStep)} == {"spark"}
    assert (tasks["train"]._driver_memory, tasks["score"]._driver_memory) == ("8g", "2g")
    assert (tasks["publish"].pool, tasks["publish"].retries) == ("default_pool", 3)


def test_a_task_that_hangs_ends_and_the_landing_waits_as_long_as_it_is_told(dag: DAG) -> None:
    timeouts = {task.task_id: task.execution_timeout for task in dag.tasks}

    assert timeouts.pop("landing") is None
    assert set(timeouts.values()) == {EXECUTION_TIMEOUT}


def test_only_publish_announces_new_slates(dag: DAG) -> None:
    outlets = {task.task_id: [asset.uri for asset in task.outlets] for task in dag.tasks if task.outlets}

    assert outlets == {"publish": [f"nightslate://{dag.dag_id}/slates"]}


def test_the_sensor_waits_for_the_logs_that_the_program_declares(dag: DAG) -> None:
    landing = dag.get_task("landing")

    assert isinstance(landing, LandingSensor)
    assert landing.logs == load(DAGS / f"{dag.dag_id}.yaml").logs.names


def test_the_logical_date_is_the_day_of_the_data(dag: DAG) -> None:
    first = load(DAGS / f"{dag.dag_id}.yaml").start_date
    days = [datetime.combine(first + timedelta(days=n), time.min, UTC) for n in range(3)]
    as_the_scheduler_sees_it = DagSerialization.from_dict(DagSerialization.to_dict(dag))

    infos = list(as_the_scheduler_sees_it.iter_dagrun_infos_between(days[0], days[1]))

    assert [info.logical_date for info in infos] == days[:2]
    assert [(info.data_interval.start, info.data_interval.end) for info in infos] == [
        (days[0], days[1]),
        (days[1], days[2]),
    ]


def test_ds_is_the_day_on_which_the_data_interval_starts(dag: DAG) -> None:
    interval = {
        "data_interval_start": datetime(2019, 11, 24, tzinfo=UTC),
        "data_interval_end": datetime(2019, 11, 25, tzinfo=UTC),
    }
    assert dag.get_template_env().from_string(DS).render(interval) == "2019-11-24"


def test_nights_do_not_pile_up(dag: DAG) -> None:
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_a_broken_program_is_an_import_error_that_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(FILES[0].read_text())
    (tmp_path / "broken.yaml").write_text((DAGS / "open_bandit.yaml").read_text() + "\nsurprise: 1\n")

    errors = DagBag(tmp_path).import_errors

    assert len(errors) == 1
    assert "surprise" in next(iter(errors.values()))


def test_a_program_of_several_issues_has_a_group_of_tasks_for_each(tmp_path: Path) -> None:
    spec = yaml.safe_load((DAGS / "open_bandit.yaml").read_text())
    spec |= {"program": "helpdesk", "issues": {"pricing": {"arms": {"ids": ["1"]}}, "usability": {}}}
    (tmp_path / "helpdesk.yaml").write_text(yaml.safe_dump(spec))

    dag = build_dag(tmp_path / "helpdesk.py")

    upstream = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    assert set(dag.task_group_dict) == {"pricing", "usability"}
    assert upstream["pricing.train"] == {"attribute"}
    assert upstream["usability.score"] == {"usability.train"}
    assert upstream["audit"] == {"pricing.score", "usability.score"}
    assert upstream["publish"] == {"audit"}
    assert upstream["pricing.report"] == {"pricing.promote", "publish"}
    assert dag.get_task("pricing.train").issue == "pricing"
    assert dag.get_task("publish").issue is None


def test_a_program_with_updates_has_a_dag_of_them(tmp_path: Path) -> None:
    said = yaml.safe_load((DAGS / "open_bandit.yaml").read_text()) | {"updates": {"every": "30m"}}
    (tmp_path / "open_bandit.yaml").write_text(yaml.safe_dump(said))
    shutil.copy(DAGS / "open_bandit.py", tmp_path)
    bag = DagBag(tmp_path, safe_mode=True)
    assert (bag.import_errors, sorted(bag.dags)) == ({}, ["open_bandit", "open_bandit_updates"])
    updates = bag.dags["open_bandit_updates"]
    (task,) = updates.tasks
    assert (task.task_id, task.retries, updates.max_active_runs, updates.catchup) == ("update", 2, 1, False)
    assert updates.schedule == timedelta(minutes=30)
    DagSerialization.to_dict(updates)

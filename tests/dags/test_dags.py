"""The DAGs that ship: they parse fast and light, and say what the plan says."""

import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from nightslate.orchestration.dag_factory import DS, SPARK_POOL, build_dag
from nightslate.orchestration.landing import LandingSensor
from nightslate.orchestration.operators import PythonStep, SparkStep
from nightslate.programs import load

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))


@pytest.fixture(scope="module", params=["open_bandit", "next_best_action"])
def dag(request: pytest.FixtureRequest) -> DAG:
    return build_dag(DAGS / f"{request.param}.py")


def test_every_program_has_a_dag_and_every_dag_a_program() -> None:
    assert [file.stem for file in FILES] == [file.stem for file in sorted(DAGS.glob("*.yaml"))]


def test_airflow_reads_all_of_them_without_an_error() -> None:
    bag = DagBag(DAGS, safe_mode=True)

    assert bag.import_errors == {}
    assert sorted(bag.dags) == [file.stem for file in FILES]


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
        **{step.name: set(step.after) or {"landing"} for step in load(DAGS / f"{dag.dag_id}.yaml").plan},
    }


def test_spark_steps_share_a_pool_and_small_steps_do_not(dag: DAG) -> None:
    for step in load(DAGS / f"{dag.dag_id}.yaml").plan:
        task = dag.get_task(step.name)
        assert isinstance(task, SparkStep if step.engine == "spark" else PythonStep)
        assert task.pool == (SPARK_POOL if step.engine == "spark" else "default_pool")


def test_every_spark_step_submits_a_file_that_is_there(dag: DAG) -> None:
    applications = [task.application for task in dag.tasks if isinstance(task, SparkStep)]

    assert [path for path in applications if not Path(path).is_file()] == []


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

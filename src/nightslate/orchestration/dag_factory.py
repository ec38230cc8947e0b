"""`dags/NAME.py` and `dags/NAME.yaml` side by side make a DAG; a new program is these two files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param, TaskGroup

from nightslate.orchestration.failures import RETRIES, RETRY_POLICY
from nightslate.orchestration.landing import LandingSensor
from nightslate.orchestration.operators import KEY_CONNECTION, PythonStep, SparkStep, UpdateBetweenNights
from nightslate.pipeline.plan import plan
from nightslate.pipeline.tasks import Task
from nightslate.programs import Program, engine_of, pack, parse, text_of

DS = "{{ data_interval_start | ds }}"
LANDING_TIMEOUT_MINUTES = 360
EXECUTION_TIMEOUT = timedelta(hours=4)
"""A task that hangs ends; with its retries, before the next night but one is due."""

Adjust = Callable[[Task, dict[str, Any]], dict[str, Any]]
"""Given a task of the plan and the arguments of its operator, those that it is to have instead."""

WHEN_A_TASK_FAILS = """
#### When a task fails
The last lines of its log say what, where and what to do. A task that failed at once met something that would
be there again: a marker that is missing (`landing`), data that breaks a contract (`ingest`: see the table
`quarantine`), a staged file that did not pass (`audit`). Repair that, then clear the task; what comes after
it follows. A task that was cut short or lost a commit race has been retried already. Clearing any task of any
night is safe: the same logs give the same rows, and readers of `slates` see the old ones until `publish`
commits the new ones.
"""


def build_dag(
    dag_file: str | Path,
    *,
    default_args: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
    params: Mapping[str, Any] | None = None,
    spark_conn_id: str = "spark_default",
    spark_conf: Mapping[str, str] | None = None,
    key_conn_id: str = KEY_CONNECTION,
    adjust: Adjust | None = None,
    **dag_arguments: Any,
) -> DAG:
    """The DAG of the program whose NAME.yaml lies beside the NAME.py given (pass `__file__`).

    default_args: arguments of all tasks (pool, callbacks, executor_config, execution_timeout and so on),
    over those that stand here. adjust: those of single tasks. key_conn_id: the connection whose password is
    the pseudonym key, for workers that do not have it in their environment. All others are those of DAG.

    A program with `updates` has a second DAG, NAME_updates, which Airflow finds without being handed it.

    Raises SpecError, which Airflow shows as an import error, where the YAML does not declare a program.
    """
    file = Path(dag_file).absolute().with_suffix(".yaml")
    text = text_of(file)
    program = parse(text, file.stem)
    ours = {"catchup": False, "max_active_runs": 1, "doc_md": _documentation(program)}
    of_tasks = {
        "owner": program.owner,
        "retries": RETRIES,
        "retry_policy": RETRY_POLICY,
        "execution_timeout": EXECUTION_TIMEOUT,
        **(default_args or {}),
    }
    if program.updates:
        _updates_dag(program, program.updates.every, text, of_tasks, tags, key_conn_id)
    with DAG(
        dag_id=program.program,
        # The logical date is the start of the data's day; "@daily" as a string would be a point in time.
        schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
        start_date=datetime.combine(program.start_date, time.min, tzinfo=UTC),
        default_args=of_tasks,
        params={
            "landing_timeout_minutes": Param(
                LANDING_TIMEOUT_MINUTES,
                type="number",
                exclusiveMinimum=0,
                description="how long to wait for the logs of the day before the night fails by name",
            ),
            **(params or {}),
        },
        tags=["nightslate", *tags],
        **{"description": program.description, **ours, **dag_arguments},
    ) as dag:
        landing = LandingSensor(
            task_id="landing",
            program=program.program,
            logs=program.logs.names,
            ds=DS,
            timeout_minutes="{{ params.landing_timeout_minutes }}",
            execution_timeout=None,  # it has a timeout of its own
            doc_md="Waits for the _SUCCESS marker of every log of the day, then fails by name.",
        )
        several = len(program.issues) > 1
        groups = {name: TaskGroup(name) for name in program.issues if several}
        operators: dict[Task, BaseOperator] = {}
        for task in plan(program):
            arguments: dict[str, Any] = {
                "task_id": task.step.name,
                "task_group": groups.get(task.issue or ""),
                "step": task.step.name,
                "issue": task.issue if several else None,
                "program": program.program,
                "ds": DS,
                "packed": pack(text),
                "key_conn_id": key_conn_id,
                "doc_md": task.step.does,
            }
            if task.step.name == "publish":
                arguments["outlets"] = [slates_asset(program)]
            on_spark = task.step.heavy and engine_of(program, "spark") == "spark"
            if on_spark:
                arguments |= {"conn_id": spark_conn_id, "conf": dict(spark_conf or {})}
            operator = SparkStep if on_spark else PythonStep
            operators[task] = operator(**(adjust(task, arguments) if adjust else arguments))
            operators[task].set_upstream([operators[before] for before in task.after] or [landing])
    return dag


def _updates_dag(
    program: Program,
    every: timedelta,
    text: str,
    of_tasks: Mapping[str, Any],
    tags: Iterable[str],
    key_conn_id: str,
) -> None:
    """The DAG of updates within the day; the file that is being read registers it."""
    what = "Folds what has landed of the open day into the models, and publishes them."
    with DAG(
        dag_id=f"{program.program}_updates",
        schedule=every,
        start_date=datetime.combine(program.start_date, time.min, tzinfo=UTC),
        default_args=dict(of_tasks),
        tags=["nightslate", *tags],
        description=f"{program.description} Between nights.",
        doc_md=what,
        catchup=False,
        max_active_runs=1,
    ):
        UpdateBetweenNights(
            task_id="update",
            program=program.program,
            packed=pack(text),
            key_conn_id=key_conn_id,
            doc_md=what,
        )


def slates_asset(program: Program) -> Asset:
    """What a night publishes; other DAGs may be scheduled on it. Its events carry the `ds` of the night."""
    return Asset(f"nightslate://{program.program}/slates")


def _documentation(program: Program) -> str:
    steps = "\n".join(f"- **{task.name}**: {task.step.does}" for task in plan(program))
    return f"{program.description}\n\n#### The night\n{steps}\n{WHEN_A_TASK_FAILS}"

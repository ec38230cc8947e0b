"""`dags/NAME.py` and `dags/NAME.yaml` side by side make a DAG; a new program is these two files."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param

from nightslate.orchestration.failures import RETRIES, RETRY_POLICY
from nightslate.orchestration.landing import LandingSensor
from nightslate.orchestration.operators import PythonStep, SparkStep
from nightslate.programs import Program, Step, load

SPARK_POOL = "nightslate_spark"
DS = "{{ data_interval_start | ds }}"
LANDING_TIMEOUT_MINUTES = 360

WHEN_A_TASK_FAILS = """
#### When a task fails
The last lines of its log say what, where and what to do. A task that failed at once met something that would
be there again: a marker that is missing (`landing`), data that breaks a contract (`ingest`: see the table
`quarantine`), a staged file that did not pass (`audit`). Repair that, then clear the task; what comes after
it follows. A task that was cut short or lost a commit race has been retried already. Clearing any task of any
night is safe: the same logs give the same rows, and readers of `slates` see the old ones until `publish`
commits the new ones.
"""


def build_dag(dag_file: str | Path) -> DAG:
    """The DAG of the program whose NAME.yaml lies beside the NAME.py given (pass `__file__`).

    Raises SpecError, which Airflow shows as an import error, where the YAML does not declare a program.
    """
    path = Path(dag_file).absolute()
    program = load(path.with_suffix(".yaml"))
    with DAG(
        dag_id=program.program,
        description=program.description,
        doc_md=_documentation(program),
        # The logical date is the start of the data's day; "@daily" as a string would be a point in time.
        schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
        start_date=datetime.combine(program.start_date, time.min, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": program.owner, "retries": RETRIES, "retry_policy": RETRY_POLICY},
        params={
            "landing_timeout_minutes": Param(
                LANDING_TIMEOUT_MINUTES,
                type="number",
                exclusiveMinimum=0,
                description="how long to wait for the logs of the day before the night fails by name",
            )
        },
        tags=["nightslate"],
    ) as dag:
        landing = LandingSensor(
            task_id="landing",
            program=program.program,
            logs=program.logs.names,
            ds=DS,
            timeout_minutes="{{ params.landing_timeout_minutes }}",
            doc_md="Waits for the _SUCCESS marker of every log of the day, then fails by name.",
        )
        tasks: dict[str, BaseOperator] = {}
        for step in program.plan:
            tasks[step.name] = task = _task(step, program, path.parent)
            task.set_upstream([tasks[name] for name in step.after] or [landing])
    return dag


def _task(step: Step, program: Program, dags_folder: Path) -> BaseOperator:
    operator = SparkStep if step.engine == "spark" else PythonStep
    return operator(
        task_id=step.name,
        step=step.name,
        program=program.program,
        ds=DS,
        dags_folder=str(dags_folder),
        doc_md=step.does,
        **({"pool": SPARK_POOL} if step.engine == "spark" else {}),
        **({"outlets": [slates_asset(program)]} if step.name == "publish" else {}),
    )


def slates_asset(program: Program) -> Asset:
    """What a night publishes; other DAGs may be scheduled on it. Its events carry the `ds` of the night."""
    return Asset(f"nightslate://{program.program}/slates")


def _documentation(program: Program) -> str:
    steps = "\n".join(f"- **{step.name}**: {step.does}" for step in program.plan)
    return f"{program.description}\n\n#### The night\n{steps}\n{WHEN_A_TASK_FAILS}"

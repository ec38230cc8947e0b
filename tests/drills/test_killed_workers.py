"""Workers are killed (SIGKILL) while they work for a step: the processes of the local engine, and Spark's."""

from pathlib import Path

import pytest

from nightslate.errors import PERMANENT_EXIT_CODES

from . import days, processes, workers
from .conftest import Tell

pytestmark = pytest.mark.timeout(3600)

STEPS_WITH_WORKERS = ("ingest", "attribute", "train", "evaluate", "score")


@pytest.mark.parametrize("engine", workers.ENGINES)
def test_a_worker_is_killed_in_every_step_that_has_some(
    engine: str, home: Path, clean: Path, tell: Tell
) -> None:
    """On one machine nobody retries tasks: the step fails, with a code that Airflow runs again."""
    survived = []
    for step in STEPS_WITH_WORKERS:
        before = days.world.rows(home)
        with workers.start(engine, home, step, days.LAST) as process:
            workers.first(process).kill()
            code = process.wait()
            assert code not in PERMANENT_EXIT_CODES, (step, code, process.said[-3000:])
        if code == 0:
            survived.append(step)
        else:
            assert days.world.rows(home) == before, f"{step} has failed and left something"
        workers.run(engine, home, step, days.LAST)

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    tell(
        f"killed in {', '.join(STEPS_WITH_WORKERS)}; {', '.join(survived) or 'none'} survived; the others"
        " failed and left the tables as they were; reruns equal a clean night"
    )

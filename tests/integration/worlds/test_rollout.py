"""Some days of an app and their nights: who sees which checkout is what the nights published, and what they
read out stands beside what is true."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from nightslate import programs
from nightslate.pipeline.plan import DASHBOARD, DATA_DOCS, plan
from nightslate.programs import Program
from nightslate.programs.allocation import Ruled
from nightslate.worlds import play
from nightslate.worlds.play import PSEUDONYMISE, Play
from nightslate.worlds.rollout_allocation.app import PublishedAssignments
from nightslate.worlds.rollout_allocation.population import Population
from nightslate.worlds.rollout_allocation.results import RolloutResults
from nightslate.worlds.rollout_allocation.truth import Counted, FirstAssignments
from nightslate.worlds.rollout_allocation.world import World

NAME = "rollout_allocation"
USERS, SEED, DAYS = 600, 1, 4
PAGES = (DASHBOARD, DATA_DOCS, "rollout_report")
Played = tuple[Path, RolloutResults]


@pytest.fixture(scope="module")
def app() -> Program:
    """The program that ships, with half of the users treated from the first day on, but for those of a plan,
    and metrics of a day."""
    program = programs.load(Path(__file__).parents[3] / "dags" / f"{NAME}.yaml")
    issue, asked = program.only_issue, program.only_issue.experiment
    metrics = {
        name: each.model_copy(update={"window": timedelta(days=1)}) for name, each in asked.metrics.items()
    }
    changed = {"ramp": None, "rules": (Ruled(when="plan == business", variant="treatment"),)}
    allocation = issue.allocation.model_copy(update=changed) if issue.allocation else None
    experiment = asked.model_copy(update={"metrics": metrics, "allocation": allocation})
    issues = {issue.name: issue.model_copy(update={"experiment": experiment})}
    return program.model_copy(update={"issues": issues})


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, app: Program) -> Iterator[Played]:
    home = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        environment.setattr(play, "plan", lambda program: [t for t in plan(program) if t.name not in PAGES])
        report = Play(app, home, users=USERS, seed=SEED).run(DAYS, lambda *_: None)
        assert isinstance(report.results, RolloutResults)
        yield home, report.results


def table(home: Path, name: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / NAME / name))


def test_users_see_the_checkout_that_the_night_before_assigned(played: Played) -> None:
    home, _ = played
    assert table(home, "quarantine").is_empty()
    shown, assigned = table(home, "impressions"), table(home, "assignments")
    known = shown.drop_nulls("variant").join(
        assigned, left_on=["user_id", "ds"], right_on=["user_id", "slate_date"], suffix="_assigned"
    )
    assert len(known) == len(shown.drop_nulls("variant")) > 30
    assert (known["variant"] == known["variant_assigned"]).all()
    assert (known["arm_id"] == known["variant"]).all()
    assert (known["propensity"] == known["probability"]).all()
    new = shown.filter(pl.col("variant").is_null())
    before = table(home, "users").with_columns(pl.col("ds").dt.offset_by("1d"))
    assert new.join(before, on=["user_id", "ds"]).is_empty()
    assert (new["arm_id"] == "control").all()


def test_whoever_was_there_the_day_before_is_assigned(played: Played) -> None:
    world = World(USERS, SEED)
    users = PSEUDONYMISE(pa.array(world.people.ids)).to_pylist()
    assigned = table(played[0], "assignments")
    for day, (_, rows) in enumerate(assigned.sort("slate_date").group_by("slate_date", maintain_order=True)):
        there = {users[place] for place in world.morning(day).present.nonzero()[0]}
        assert there <= set(rows["user_id"])
        assert rows["shares"].list.sum().is_between(1 - 1e-12, 1 + 1e-12).all()


def test_what_is_read_out_stands_beside_what_is_true_of_as_many_users(played: Played, app: Program) -> None:
    results = played[1]
    assert {row["metric"] for row in results.estimates} == {*app.only_issue.experiment.metrics}
    overall = results.overall("purchases", "difference")
    assert len(overall) >= DAYS - 3
    for row in results.estimates:
        assert row["truth"] is not None
        assert abs(row["truth"]) < 0.5
    last = overall[-1]
    assert abs(last["effect"] - last["truth"]) < 4 * last["stderr"]
    assert [row["ds"] for row in results.decisions] == [row["day"] for row in results.days]
    assert results.verdict["right"]
    assert {row["method"] for row in results.precision} >= {"difference", "cuped", "aipw"}


def test_what_following_the_context_was_worth_is_true_of_these_users(played: Played, app: Program) -> None:
    """Everyone's share is a half; those of the plan have another one."""
    home, results = played
    world, first = World(USERS, SEED), FirstAssignments(World(USERS, SEED), sticky=True)
    published = PublishedAssignments(
        world, app.start_date, home / "tables" / NAME / "assignments", PSEUDONYMISE
    )
    population = Population(world, published)
    for day in range(DAYS):
        first.add(population.play(day))
    followed = {row["metric"]: row for row in results.followed}
    for name, kind in (("purchases", "purchase"), ("trouble", "trouble")):
        counted = Counted(kind, 86_400.0)
        counts = first.counts(counted, DAYS)
        expected = ((first.first_share - 0.5) * first.effects(counted))[counts].mean()
        assert followed[name]["truth"] == pytest.approx(expected)
        assert followed[name]["n"] == counts.sum()
    assert (first.first_share[counts] != 0.5).any()

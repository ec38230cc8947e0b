"""Two days of the onboarding homepage and their nights: what the engine shows is what the night published."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession

from nightslate import programs
from nightslate.errors import SpecError
from nightslate.pipeline.plan import plan
from nightslate.programs import Program
from nightslate.worlds.play import Play, write
from nightslate.worlds.protocol import Report

DAGS = Path(__file__).parents[3] / "dags"
Played = tuple[Path, Report, list[tuple[int, str]]]


def small(program: Program) -> Program:
    """The program that ships, with the learners that cost least."""
    cheap, issue = ("uniform", "linear_thompson"), program.only_issue
    changed = {
        "learners": {name: issue.learners[name] for name in cheap},
        "evaluation": issue.evaluation.model_copy(update={"resamples": 100}),
    }
    return program.model_copy(update={"issues": {issue.name: issue.model_copy(update=changed)}})


@pytest.fixture(scope="module")
def program() -> Program:
    return small(programs.load(DAGS / "onboarding_401k.yaml"))


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, spark: SparkSession, program: Program
) -> Iterator[Played]:
    home, said = tmp_path_factory.mktemp("home"), list[tuple[int, str]]()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        report = Play(program, home, users=400, seed=1).run(2, lambda day, what: said.append((day, what)))
        yield home, report, said


def test_nothing_that_the_engine_logs_is_turned_away(played: Played) -> None:
    home, _, _ = played
    assert pl.read_delta(str(home / "tables/onboarding_401k/quarantine")).is_empty()


def test_the_second_day_shows_the_slates_of_the_first_night_and_random_messages_to_who_has_none(
    played: Played,
) -> None:
    home, _, _ = played
    impressions = pl.read_delta(str(home / "tables/onboarding_401k/impressions")).sort("ds")
    slates = pl.read_delta(str(home / "tables/onboarding_401k/slates"))
    first, second = impressions.partition_by("ds", maintain_order=True)
    assert first["slate_id"].null_count() == len(first)
    assert 0 < second["slate_id"].null_count() < 0.1 * len(second)
    shown = second.drop_nulls("slate_id").join(slates, on="slate_id", suffix="_slate")
    assert len(shown) == len(second.drop_nulls("slate_id"))
    assert (shown["variant"] == shown["variant_slate"]).all()
    assert set(shown["variant"]) == {"personalised", "randomised"}
    for row in shown.iter_rows(named=True):
        left = [arm for arm in row["ranking"] if arm in row["eligible_arms"]]
        assert left[row["slot"] - 1] == row["arm_id"]


def test_propensities_of_random_messages_are_one_over_the_eligible(played: Played) -> None:
    home, _, _ = played
    impressions = pl.read_delta(str(home / "tables/onboarding_401k/impressions"))
    random = impressions.filter(pl.col("slate_id").is_null() | (pl.col("variant") == "randomised"))
    for row in random.iter_rows(named=True):
        assert row["propensity"] == pytest.approx(1 / len(row["eligible_arms"]), rel=1e-6)


def test_the_figures_know_the_truth_of_every_policy_of_every_night(played: Played, program: Program) -> None:
    _, report, said = played
    results = report.results
    of_a_night = [
        (estimand, name)
        for estimand in ("progressive", "cross_fitted")
        for name in sorted(program.only_issue.learners)
    ]
    assert [(row["estimand"], row["policy"]) for row in results.estimates] == 2 * of_a_night
    page_of_a_day = results.days[1]
    assert 0 < page_of_a_day["randomised"] < page_of_a_day["best"]
    for row in results.estimates:
        assert (row["value"], row["truth"]) == (None, None)
        assert row["realised"] is None or 0 < row["realised"] < page_of_a_day["best"]
    # No impression is old enough to learn from yet: a Thompson policy without evidence is a uniform one.
    assert [look["truth"] for look in results.looks] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert [what for day, what in said if day == 1] == [
        "homepage",
        *(task.name for task in plan(program)),
    ]


def test_each_night_keeps_how_late_rewards_come_and_shows_it(played: Played, program: Program) -> None:
    home, _, _ = played
    delays = pl.read_delta(str(home / "tables/onboarding_401k/delays"))
    earning = sorted(kind for kind, worth in program.only_issue.rewards.values.items() if worth)
    for _, night in delays.group_by("ds"):
        assert sorted(night.filter(pl.col("part") == "all")["kind"]) == earning
    assert delays["ds"].n_unique() == 2
    assert not delays["differs"].any()
    pages = sorted((home / "reports/onboarding_401k").glob("2*.html"))
    assert all("How late rewards come" in night.read_text("utf-8") for night in pages)
    assert len(pages) == 2


def test_the_page_and_the_figures_are_written(played: Played, tmp_path: Path) -> None:
    _, report, _ = played
    file = write(report, tmp_path / "reports")
    assert "<svg" in file.read_text("utf-8")
    figures = json.loads(file.with_suffix(".json").read_text("utf-8"))
    assert len(figures["days"]) == figures["nights"] == 2


def test_a_simulation_starts_from_nothing(played: Played, program: Program) -> None:
    home, _, _ = played
    with pytest.raises(SpecError, match="starts from nothing"):
        Play(program, home, users=400, seed=1).run(1, print)


def test_a_world_whose_truth_knows_no_costs_is_not_played_with_any(tmp_path: Path, program: Program) -> None:
    issue = program.only_issue
    rewards = issue.rewards.model_copy(update={"costs": {"m01": 0.1}})
    dear = program.model_copy(update={"issues": {"all": issue.model_copy(update={"rewards": rewards})}})
    with pytest.raises(SpecError, match=r"onboarding_401k: rewards.costs has m01, .*; leave costs out"):
        Play(dear, tmp_path, users=400, seed=1).run(1, lambda *_: None)

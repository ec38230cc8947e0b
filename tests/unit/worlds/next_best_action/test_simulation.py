"""Campaigns that are played without nights: figures follow from the offers, and truths from the world."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from nightslate import programs
from nightslate.contracts import arrow
from nightslate.core.arrays import Floats
from nightslate.core.fitted_q import choosing
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.models.files import ModelFile
from nightslate.pipeline.night import Night
from nightslate.programs import Program
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.next_best_action import simulation, truth
from nightslate.worlds.next_best_action.page import CampaignResults
from nightslate.worlds.next_best_action.policy_values import (
    has_sweep,
    sweep_beside_truth,
    trajectories_begun,
    true_values,
)
from nightslate.worlds.next_best_action.rec_engine import Cohort
from nightslate.worlds.next_best_action.simulation import CampaignSimulation
from nightslate.worlds.next_best_action.world import ARMS, FEATURES, World
from nightslate.worlds.protocol import Setup

PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "next_best_action.yaml")
FIRST, NIGHTS, USERS = PROGRAM.start_date, 8, 120
PSEUDONYMISE = Pseudonymiser(b"a key of the tests alone", "1")
ORDER = (2, 0, 1)
"""Models know the arms in another order than the world."""


@dataclass(frozen=True)
class Exact:
    """A model that knows the world, as far as greedy goes."""

    def action_values(self, contexts: Floats) -> Floats:
        return truth.playing(exactly)(contexts[:, 1:])[:, ORDER]

    def weights(self, contexts: Floats) -> Floats:
        return choosing(self.action_values(contexts), "greedy")


@dataclass(frozen=True)
class Uniform:
    def weights(self, contexts: Floats) -> Floats:
        return np.full((len(contexts), len(ARMS)), 1 / len(ARMS))


def exactly(past: truth.History) -> Floats:
    return np.array(truth.action_values(past))


def best_but(epsilon: float) -> float:
    """The exact value of the policy that offers the best, and now and then another."""

    def rule(past: truth.History) -> Floats:
        return choosing(exactly(truth.segment_of(past))[None], "epsilon_greedy", epsilon)[0]

    return truth.value_of(rule)


@pytest.fixture(scope="module", autouse=True)
def fitted() -> Iterator[None]:
    """What every night has fitted."""
    encoder, arms = Encoder(FEATURES, (None,) * len(FEATURES)), tuple(ARMS[place] for place in ORDER)
    made = [
        ModelFile("fitted_q", "fitted_q", arms, encoder, Exact()),
        ModelFile("uniform", "uniform", arms, encoder, Uniform()),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nightslate.worlds.next_best_action.policy_values.fitted_models", lambda _: made)
        patch.setattr(simulation, "TRUTH_CUSTOMERS", 1500)
        yield


def write(night: Night, table: str, *rows: Mapping[str, Any]) -> None:
    schema = arrow.schema(night.table(table).contract, partition=False)
    night.table(table).replace(night.ds, pa.Table.from_pylist(list(rows), schema=schema), {})


def estimate(policy: str, value: float, **given: object) -> dict[str, object]:
    bounds = {"lower": value - 1, "upper": value + 1, "confidence": 0.95, "interval_method": "bootstrap"}
    about = {"issue": "all", "policy": policy, "estimand": CROSS_FITTED}
    return {**about, "value": value, "n": 9, "clusters": 9, **bounds, **given}


def swept(epsilon: float, value: float | None) -> dict[str, object]:
    judged = {"issue": "all", "learner": "fitted_q", "estimator": "traj_dr", "confidence": 0.95}
    return {**judged, "epsilon": epsilon, "value": value, "n": 9, "clusters": 9}


def test_the_value_of_a_model_is_that_of_its_weights_with_the_floor(tmp_path: Path) -> None:
    found = true_values(Night(PROGRAM, FIRST, tmp_path).of_issue("all"), World(20_000, seed=1))
    # A floor of f over three arms is an epsilon of 2 f / 3; where arms tie, both share what is not the floor.
    assert found["fitted_q"] == pytest.approx(best_but(PROGRAM.only_issue.floor * 2 / 3), abs=0.04)
    assert found["uniform"] == pytest.approx(truth.value_of(truth.uniform), abs=0.1)


def test_a_sweep_stands_beside_what_the_same_values_earn(tmp_path: Path) -> None:
    night = Night(PROGRAM, FIRST, tmp_path).of_issue("all")
    assert not has_sweep(night)
    write(night, "sweeps", swept(0.0, None))
    assert not has_sweep(night)
    write(night, "sweeps", swept(2 / 3, 4.5), swept(0.3, 8.0), swept(0.0, 12.5))
    assert has_sweep(night)
    rows = sweep_beside_truth(night, World(20_000, seed=1))
    assert [(row["epsilon"], row["value"]) for row in rows] == [(0.0, 12.5), (0.3, 8.0), (2 / 3, 4.5)]
    for row in rows:
        assert row["truth"] == pytest.approx(best_but(row["epsilon"]), abs=0.1)


def setup(program: Program, home: Path) -> Setup:
    return Setup(program, USERS, 1, home / "landing", home / "slates", PSEUDONYMISE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> CampaignResults:
    """Eight days on which every other customer gets the best offers and the others random ones, by slates;
    the fifth night promotes."""
    home = tmp_path_factory.mktemp("home")
    campaigns = CampaignSimulation(setup(PROGRAM, home))
    for number in range(NIGHTS):
        night = Night(PROGRAM, FIRST + timedelta(days=number), home).of_issue("all")
        publish(campaigns, home / "slates", night.ds)
        campaigns.run_day(number)
        estimates = (estimate("fitted_q", 11.8), estimate("uniform", 7.0), estimate("personalised", 5.0))
        own = {"estimator": PROGRAM.only_issue.judged_by}
        difference = estimate("fitted_q", 7.1, reference="uniform", **own)
        write(night, "evaluations", *({**row, **own} for row in estimates), difference)
        write(night, "promotions", look("promoted" if number == 4 else "kept", night.ds))
        campaigns.record_night(night)
    results = campaigns.report({"train": 4.0}).results
    assert isinstance(results, CampaignResults)
    return results


def publish(campaigns: CampaignSimulation, folder: Path, day: date) -> None:
    """Slates for everyone whose campaign runs, by what was known in the evening before."""
    rows = [row for cohort in campaigns._engine.running(day) for row in slates_of(cohort, day)]
    schema = pa.schema([("ranking", pa.list_(pa.string())), ("slate_date", pa.date32())])
    names = {name: pa.string() for name in ("slate_id", "user_id", "variant")}
    schema = pa.schema([*names.items(), *schema])
    write_deltalake(folder, pa.Table.from_pylist(rows, schema), mode="append", partition_by=["slate_date"])


def slates_of(cohort: Cohort, day: date) -> list[dict[str, object]]:
    best = truth.playing(exactly)(cohort.states_after(day - timedelta(days=1)))
    random = np.random.default_rng(day.toordinal()).random(best.shape)
    personalised = np.arange(len(best)) % 2 == 0
    ranked = np.argsort(-np.where(personalised[:, None], best, random), axis=1)
    users = PSEUDONYMISE(pa.array(cohort.ids)).to_pylist()
    return [
        {
            "slate_id": f"{day}-{user}",
            "user_id": user,
            "variant": "personalised" if mine else "randomised",
            "ranking": [ARMS[arm] for arm in arms],
            "slate_date": day,
        }
        for user, mine, arms in zip(users, personalised, ranked, strict=True)
    ]


def look(decision: str, ds: date) -> dict[str, object]:
    after = "fitted_q" if decision == "promoted" else "uniform"
    champions = {"challenger": "fitted_q", "champion_before": "uniform", "champion_after": after}
    judged = {"look": 1, "alpha": 0.05, "estimator": "traj_dr", "difference": 7.1, "lower": 6.0}
    return {"issue": "all", **champions, **judged, "decision": decision, "reasons": []}


def test_cohorts_whose_campaign_is_over_stand_beside_what_their_variants_are_worth(
    results: CampaignResults,
) -> None:
    days = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS - 4)]
    assert [row["day"] for row in results.cohorts] == days
    for row in results.cohorts:
        assert row["personalised"] == pytest.approx(results.optimum, abs=0.6)
        assert row["randomised"] == pytest.approx(results.uniform, abs=4 * 3.6 / np.sqrt(USERS / 2))
    assert results.read_over == len(days)
    assert results.reached == pytest.approx(1.0, abs=0.05)
    assert results.lift is not None
    assert results.lift["lower"] < results.optimum / results.uniform - 1 < results.lift["upper"]


def test_looks_and_estimates_stand_beside_what_is_true(results: CampaignResults) -> None:
    assert len(results.looks) == NIGHTS
    assert [row["truth"] for row in results.looks] == pytest.approx([7.2] * NIGHTS, abs=0.3)
    assert [row["ds"] for row in results.promoted] == [(FIRST + timedelta(days=4)).isoformat()]
    assert results.wrongly_promoted == []
    cross_fitted = [row for row in results.estimates if row["estimand"] == CROSS_FITTED]
    assert [row["policy"] for row in cross_fitted[:2]] == ["fitted_q", "uniform"]
    assert len(cross_fitted) == 2 * NIGHTS
    assert results.covered("truth", CROSS_FITTED, "fitted_q") == (NIGHTS, NIGHTS)
    assert results.covered("truth", CROSS_FITTED, "uniform") == (0, NIGHTS)
    personalised = [row["personalised"] for row in results.cohorts[1:]]
    realised = [row["realised"] for row in cross_fitted if row["policy"] == "uniform"]
    assert realised == [*personalised, *[None] * (NIGHTS - len(personalised))]
    others = [row for row in results.estimates if row not in cross_fitted or row["policy"] == "fitted_q"]
    assert {row["realised"] for row in others} == {None}
    assert (results.sweep, results.swept) == ([], None)


def test_progressive_estimates_stand_beside_what_models_of_before_each_day_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trajectory is over within four days: the seventh night's cohorts are those of up to the third day.
    The models of the n-th night are worth n."""
    assert PROGRAM.only_issue.sequence is not None
    sequence = PROGRAM.only_issue.sequence.model_copy(update={"longest": timedelta(days=1)})
    issue = PROGRAM.only_issue.model_copy(update={"sequence": sequence})
    program = PROGRAM.model_copy(update={"issues": {"all": issue}})
    monkeypatch.setattr(
        simulation,
        "true_values",
        lambda night, _: {"fitted_q": 1.0 + (night.ds - FIRST).days, "uniform": 4.0},
    )
    campaigns = CampaignSimulation(setup(program, tmp_path))
    for number in range(7):
        night = Night(program, FIRST + timedelta(days=number), tmp_path).of_issue("all")
        rows = (
            estimate(name, 1.5, estimator=issue.judged_by, estimand=PROGRESSIVE) for name in issue.learners
        )
        write(night, "evaluations", *rows)
        write(night, "promotions", look("kept", night.ds))
        begins = [FIRST + timedelta(days=day) for day in (0, 1, 2, 2, 2, 3)] if number == 6 else []
        write(night, "transitions", *(transition(place, day) for place, day in enumerate(begins)))
        campaigns.record_night(night)
    assert trajectories_begun(night) == {
        FIRST + timedelta(days=day): n for day, n in ((0, 1), (1, 1), (2, 3), (3, 1))
    }
    results = campaigns.report({}).results
    last = {row["policy"]: row for row in results.estimates if row["ds"] == night.ds.isoformat()}
    # One trajectory of the second day, by the first night, and three of the third day, by the second.
    assert last["fitted_q"]["truth"] == (1 * 1.0 + 3 * 2.0) / 4
    assert last["uniform"]["truth"] == 4.0
    assert last["fitted_q"]["realised"] is None
    assert results.covered("truth", PROGRESSIVE) == (1, 2)


def transition(number: int, day: date) -> dict[str, object]:
    """The first and only decision of a trajectory."""
    user = f"{number:032x}"
    at = datetime.combine(day, time(12), UTC)
    shown = {"impression_id": user, "user_id": user, "occurred_at": at, "arm_id": ARMS[0]}
    return {**shown, "trajectory_id": user, "step": 1, "propensity": 0.5, "reward": 0.0, "terminal": True}


def test_nothing_is_reported_of_campaigns_that_are_not_over(tmp_path: Path) -> None:
    campaigns = CampaignSimulation(setup(PROGRAM, tmp_path))
    campaigns.run_day(0)
    campaigns.record_night(Night(PROGRAM, FIRST, tmp_path).of_issue("all"))
    report = campaigns.report({})
    assert isinstance(report.results, CampaignResults)
    assert (report.results.cohorts, report.results.lift, report.results.reached) == ([], None, None)
    assert "No cohort" in report.page

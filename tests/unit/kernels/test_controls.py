"""Controls of single impressions and of decisions, one by one by hand; the whole night's are in
tests/integration/pipeline/test_controls.py."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.ope.results import results
from nightslate.core.policies import Popularity, Uniform
from nightslate.kernels.control_evaluation import CHAMPION, Controlled, ControlsOfUnits
from nightslate.kernels.controls import CONTROLS
from nightslate.kernels.controls.control import DecidedDay, Played
from nightslate.kernels.progressive import Cohort
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.slate_weights import WeightAdjustment

from .taught import ARMS, DS, ENCODER, IMPRESSIONS, NOON, PLAIN, PROGRAM, evaluator, folding, user, world

FLOOR, PENALTY = 0.1, 0.25
COSTS = {"a": 2.0}
GROUPS = {"a": "x", "b": "x", "c": None}
TWO_DAYS = (DS - timedelta(days=1), DS)


def model(learner):
    """One that has seen c earn most, and a least but for its costs."""
    state = learner.initial(3, ENCODER.width)
    shown, earned = np.repeat([0, 1, 2], 20), np.repeat([-0.5, 0.0, 1.0], 20)
    state = state.update(np.ones((60, ENCODER.width)), shown, earned)
    return ScoredBy(learner.kind, "0" * 64, ARMS, ENCODER, learner.fit(state, PLAIN, 7))


def decided(learner, adjustment=None, slots=1):
    return DecidedDay(Played(model(learner), FLOOR, adjustment or WeightAdjustment()), None, COSTS, slots)


def estimates(days, rows, how, *names):
    """By control and by (policy, reference)."""
    cohorts = {day: Cohort({CHAMPION: each.champion.model}, None) for day, each in days.items()}
    controlled = Controlled(cohorts, days, tuple(CONTROLS[name] for name in names))
    states = dict(ControlsOfUnits(controlled, how, frozenset(ARMS), PROGRAM).update(rows)).values()
    return {
        name: {(line.policy, line.reference): line for line in results(state)}
        for name, state in zip((CHAMPION, *names), states, strict=True)
    }


@pytest.fixture(scope="module")
def single():
    """Impressions of one slot on two days, and how they are evaluated."""
    impressions, credit = world()
    dice = np.random.default_rng(2)
    for number, row in enumerate(impressions):
        eligible = [arm for arm in ARMS if dice.random() < 0.7] or ["b"]
        row |= {"slot": 1, "occurred_at": NOON - timedelta(days=number % 2), "eligible_arms": eligible}
        row |= {"arm_id": str(dice.choice(eligible)), "propensity": 1 / len(eligible)}
    _, how = evaluator(folding(impressions, credit))
    rows = pa.Table.from_pylist(impressions, IMPRESSIONS)
    reward = pa.array([credit[row["impression_id"]] for row in impressions])
    return rows.append_column("reward", reward), replace(how, estimators=("ips",))


def test_predictions_alone_are_held_against_the_champion_on_days_whose_model_predicts(single):
    rows, how = single
    days = {TWO_DAYS[0]: decided(Uniform()), TWO_DAYS[1]: decided(Popularity(1.0))}
    found = estimates(days, rows, how, "random", "propensity_only", "present_rule")
    of_day = [row for row in rows.to_pylist() if row["occurred_at"] == NOON]
    assert found["random"]["random", None].n == rows.num_rows > len(of_day)
    mine = found["propensity_only"]
    assert mine["propensity_only", None].n == mine[CHAMPION, None].n == len(of_day)
    best = [next(arm for arm in ("a", "c", "b") if arm in row["eligible_arms"]) for row in of_day]
    expected = np.mean(
        [
            row["reward"] * (row["arm_id"] == arm) / row["propensity"]
            for row, arm in zip(of_day, best, strict=True)
        ]
    )  # a expects -0.5, and 1.5 before its costs, which is more than c
    assert mine["propensity_only", None].value == pytest.approx(expected)
    assert found["present_rule"]["present_rule", None].n == 0
    difference = mine[CHAMPION, "propensity_only"].value
    assert difference == pytest.approx(mine[CHAMPION, None].value - expected)


def test_what_consents_forbid_is_the_mass_of_arms_that_a_user_cannot_get(single):
    rows, how = single
    days = dict.fromkeys(TWO_DAYS, decided(Popularity(1.0)))
    whole = days[DS].champion.model.weights(rows.slice(0, 1), FLOOR)[0]
    for restricted in (True, False):
        found = estimates(days, rows, replace(how, restricted=restricted), "eligibility_only")
        line = found["eligibility_only"]["eligibility_only", None]
        lost = [
            1 - sum(whole[ARMS.index(arm)] for arm in arms) / whole.sum()
            for arms in rows["eligible_arms"].to_pylist()
        ]
        assert line.unsupported_share == pytest.approx(np.mean(lost) if restricted else 0.0, abs=1e-6)


@pytest.fixture(scope="module")
def double():
    """Decisions of two slots, drawn at random."""
    dice = np.random.default_rng(5)
    rows = []
    for number in range(60):
        for slot, arm in enumerate(dice.permutation(ARMS)[:2], start=1):
            row = {"impression_id": f"{number}-{slot}", "decision_id": f"{number}", "user_id": user(number)}
            row |= {
                "occurred_at": NOON,
                "slot": slot,
                "arm_id": str(arm),
                "propensity": (1 / 3, 1 / 2)[slot - 1],
            }
            rows.append(row | {"propensity_kind": "conditional", "colour": "red"})
    table = pa.Table.from_pylist(rows, IMPRESSIONS)
    return table.append_column("reward", pa.array(dice.normal(size=len(rows))))


def test_levers_are_multipliers_and_a_penalty_for_more_of_the_same(double, single):
    _, how = single
    levers = WeightAdjustment({"a": 4.0, "b": 1.0, "c": 1.0}, PENALTY, GROUPS)
    day = decided(Popularity(1.0), levers, slots=2)
    two_slots = replace(how, slots=2, estimators=("sips",), crossfit=replace(how.crossfit, examination=()))
    found = estimates({DS: day}, double, two_slots, "without_levers")["without_levers"]
    chosen = day.champion.model.choices(double.slice(0, 1))[0]
    spread = (0.999 * chosen + 0.001 / 3) * [4.0, 1.0, 1.0]
    by_policy = {CHAMPION: (spread / spread.sum(), PENALTY), "without_levers": (chosen, 1.0)}
    values = {}
    for name, (probabilities, penalty) in by_policy.items():
        weights = dict(zip(ARMS, (0.9 * probabilities + 0.1 / 3).tolist(), strict=True))
        total = 0.0
        for first, second in list(pairwise(double.to_pylist()))[::2]:
            one, other = first["arm_id"], second["arm_id"]
            left = {arm: w for arm, w in weights.items() if arm != one}
            left = {a: w * (penalty if GROUPS[a] == GROUPS[one] == "x" else 1.0) for a, w in left.items()}
            chance = weights[one] / sum(weights.values()) * left[other] / sum(left.values())
            total += chance / (1 / 3 * 1 / 2) * (first["reward"] + second["reward"])
        values[name] = total / (double.num_rows / 2)
        assert found[name, None].value == pytest.approx(values[name], rel=1e-6)
    expected = values[CHAMPION] - values["without_levers"]
    assert found[CHAMPION, "without_levers"].value == pytest.approx(expected, rel=1e-5)

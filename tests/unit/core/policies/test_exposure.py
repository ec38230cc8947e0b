from functools import reduce
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.exposure import ExposureSums, Solution, inclusion_probabilities, solve, tilt
from nightslate.core.policies.exposure_goals import Budget, Goal
from nightslate.core.policies.plackett_luce import joint_propensity

TOLERANCE = 1e-3
ARMS = 12
TOPIC, ARM, CAMPAIGN = (
    Goal("topic", (0, 1, 2), share=0.4),
    Goal("arm", (0,), exposures=90.0),
    Goal("campaign", (5,), share=0.1),
)


def policy(users=150, concentration=0.3, seed=0, arms=ARMS):
    weights = np.random.default_rng(seed).gamma(concentration, size=(users, arms)) + 1e-9
    return weights / weights.sum(axis=1, keepdims=True)


def totals_of(probabilities, slots, floor=0.02):
    """The exposures of what would be stored, as a function of the multipliers."""
    zero = ExposureSums.zero(probabilities.shape[1])
    return lambda multipliers: zero.update(mix_floor(tilt(probabilities, multipliers), floor), slots).totals


def solved(goals, slots=2, priorities=None, **settings_) -> Solution:
    priorities = np.ones(ARMS) if priorities is None else priorities
    return solve(goals, totals_of(policy(), slots), slots, priorities, TOLERANCE, **settings_)


def assert_met_and_no_larger_than_needed(goals, solution):
    total = solution.exposures.sum()
    for goal, multiplier in zip(goals, solution.by_goal, strict=True):
        reached = solution.exposures[list(goal.arms)].sum() / goal.required(total)
        assert reached >= 1 - TOLERANCE
        assert multiplier == 1 or reached <= 1 + TOLERANCE


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "goals",
    [(TOPIC,), (TOPIC, CAMPAIGN), (TOPIC, ARM), (TOPIC, Goal("rest", tuple(range(3, ARMS)), share=0.6))],
    ids=["one", "apart", "nested", "all slots"],
)
def test_goals_are_met_and_no_multiplier_is_larger_than_needed(goals, slots):
    solution = solved(goals, slots)
    assert_met_and_no_larger_than_needed(goals, solution)
    assert solution.passes <= 30
    asked = {arm for goal in goals for arm in goal.arms}
    np.testing.assert_array_equal(solution.multipliers[[a for a in range(ARMS) if a not in asked]], 1.0)
    np.testing.assert_array_equal(totals_of(policy(), slots)(solution.multipliers), solution.exposures)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 0.3), min_size=3, max_size=3), st.integers(1, 3), st.integers(0, 9))
def test_any_feasible_shares_are_met(shares, slots, seed):
    goals = tuple(Goal(str(g), (2 * g, 2 * g + 1), share=share) for g, share in enumerate(shares))
    totals = totals_of(policy(60, 0.5, seed), slots)
    assert_met_and_no_larger_than_needed(goals, solve(goals, totals, slots, np.ones(ARMS), TOLERANCE))


def test_one_slot_of_one_user_has_the_multiplier_in_closed_form():
    probabilities = np.array([[0.1, 0.3, 0.6]])
    totals = lambda m: ExposureSums.zero(3).update(tilt(probabilities, m), 1).totals  # noqa: E731
    solution = solve((Goal("first", (0,), share=0.5),), totals, 1, np.ones(3), 1e-9)
    assert solution.by_goal[0] == pytest.approx(9.0)
    np.testing.assert_allclose(solution.exposures, [0.5, 0.5 / 3, 1 / 3])


def test_a_goal_that_is_met_anyway_asks_for_nothing():
    goals = (Goal("little", (0, 1, 2), share=0.01), CAMPAIGN)
    solution = solved(goals)
    assert solution.by_goal[0] == 1
    assert solution.by_goal[1] > 1
    assert solved(()).passes == 1


def test_a_goal_that_others_meet_gets_out_of_their_way():
    goals = (TOPIC, Goal("arm", (0,), share=0.6), CAMPAIGN)
    for seed in range(4):
        solution = solve(goals, totals_of(policy(60, 0.3, seed), 1), 1, np.ones(ARMS), TOLERANCE)
        assert_met_and_no_larger_than_needed(goals, solution)
        assert solution.by_goal[0] == 1
        assert solution.passes <= 13


def test_a_step_too_far_is_taken_back():
    shares = {(9, 10): 0.032, (3, 11): 0.509, (0, 1): 0.117, (8,): 0.007, (4,): 0.273}
    goals = tuple(Goal(str(arms), arms, share=share) for arms, share in shares.items())
    solution = solve(goals, totals_of(policy(60, 1.0, 27), 1), 1, np.ones(ARMS), TOLERANCE)
    assert_met_and_no_larger_than_needed(goals, solution)


def test_all_slots_are_a_share_like_any_other():
    everything = (Goal("one", (0,), share=1.0),)
    totals = totals_of(policy(60, arms=2), 1, floor=1e-6)
    assert_met_and_no_larger_than_needed(everything, solve(everything, totals, 1, np.ones(2), TOLERANCE))


def test_a_priority_comes_first_and_a_goal_adds_what_is_missing():
    priorities = np.ones(ARMS)
    priorities[[5, 7]] = 1.1
    plain, first = solved((CAMPAIGN,)), solved((CAMPAIGN,), priorities=priorities)
    assert first.multipliers[7] == 1.1
    assert 1 < first.by_goal[0] < plain.by_goal[0]
    assert first.multipliers[5] == pytest.approx(1.1 * first.by_goal[0])


def test_the_floor_holds_after_the_multipliers():
    solution = solved((TOPIC, CAMPAIGN))
    stored = mix_floor(tilt(policy(), solution.multipliers), 0.02)
    assert (stored.astype(np.float64) >= 0.02 / ARMS).all()


@pytest.mark.parametrize("slots", [1, 3, 5])
def test_totals_of_partitions_in_any_order_are_those_of_one_pass(slots):
    weights = policy(80)
    whole = ExposureSums.zero(ARMS).update(weights, slots)
    parts = [ExposureSums.zero(ARMS).update(part, slots) for part in np.array_split(weights, 8)]
    merged = reduce(lambda one, other: one.merge(other), parts[::-1])
    np.testing.assert_allclose(merged.totals, whole.totals, rtol=1e-12)
    assert whole.totals.sum() == pytest.approx(80 * slots)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_inclusion_is_exact_up_to_three_slots_and_near_beyond(slots):
    weights = policy(3, 0.5, arms=7)
    np.testing.assert_allclose(
        inclusion_probabilities(weights, slots), enumerated(weights, slots), rtol=1e-12
    )
    near = inclusion_probabilities(weights, slots + 3)
    np.testing.assert_allclose(near, enumerated(weights, slots + 3), atol=0.06)
    np.testing.assert_allclose(near.sum(axis=1), slots + 3, rtol=1e-9)


def enumerated(weights, slots):
    slates = np.array(list(permutations(range(weights.shape[1]), slots)))
    included = np.zeros_like(weights)
    for user, row in enumerate(weights):
        joint = joint_propensity(np.tile(row, (len(slates), 1)), slates)
        for slot in range(slots):
            np.add.at(included[user], slates[:, slot], joint)
    return included


@pytest.mark.parametrize("slots", [2, 4])
def test_who_is_not_eligible_is_not_exposed(slots):
    eligible = np.ones((4, 6), dtype=bool)
    eligible[:, 0] = False
    eligible[0, 4:] = slots < 4
    weights = policy(4, arms=6)
    included = inclusion_probabilities(weights, slots, eligible) if slots < 4 else None
    if included is None:
        with pytest.raises(InvalidInputError, match="1 of 4 rows have fewer than 4 eligible arms"):
            inclusion_probabilities(weights, slots, eligible)
        included = inclusion_probabilities(weights[1:], slots, eligible[1:])
    assert not included[:, 0].any()
    np.testing.assert_allclose(included.sum(axis=1), slots)


def test_as_many_slots_as_arms_show_them_all():
    np.testing.assert_array_equal(inclusion_probabilities(policy(5, arms=4), 4), 1.0)


@pytest.mark.parametrize(
    ("goals", "slots", "message"),
    [
        (
            (Goal("a", (0, 1), share=0.7), Goal("b", (2,), share=0.4), CAMPAIGN),
            1,
            "meet: a, b; 1 slots give 150",
        ),
        ((Goal("one arm", (0,), share=0.5), CAMPAIGN), 3, "slates can meet: one arm; 3 slots give 450"),
        ((Goal("many", (0,), exposures=151.0),), 2, "slates can meet: many"),
        ((Goal("all", (0, 1), share=0.995),), 1, r"no multiplier meets: all \(147.\d+ of 149.25 exposures\)"),
    ],
)
def test_goals_that_cannot_be_met_are_named(goals, slots, message):
    with pytest.raises(InvalidInputError, match=message):
        solved(goals, slots)


def test_too_few_passes_are_an_answer_too():
    with pytest.raises(InvalidInputError, match="2 passes did not meet the exposure goals topic, campaign"):
        solved((TOPIC, CAMPAIGN), max_passes=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Goal("a", (0,)), "must have a share or a number"),
        (lambda: Goal("a", (0,), share=0.1, exposures=3), "must have a share or a number"),
        (lambda: Goal("a", (0,), share=1.1), r"share in \(0, 1\]"),
        (lambda: Goal("a", (0,), exposures=0), "exposures > 0"),
        (lambda: Goal("a", (0,), exposures=np.inf), "exposures > 0"),
        (lambda: Goal("a", (), share=0.1), "distinct arms"),
        (lambda: Goal("a", (1, 1), share=0.1), "distinct arms"),
        (lambda: solved((Goal("a", (ARMS,), share=0.1),)), "outside 0..11"),
        (lambda: solved((TOPIC, TOPIC)), "names of their own"),
        (lambda: solved((TOPIC,), slots=0), "slots must be >= 1"),
        (lambda: solved((TOPIC,), priorities=np.zeros(ARMS)), "12 campaign priorities are not > 0"),
        (lambda: tilt(policy(), np.zeros(ARMS)), "12 multipliers are not > 0"),
        (lambda: tilt(policy(), np.ones(3)), "multipliers must have shape"),
        (lambda: inclusion_probabilities(policy(), 0), "count from 1"),
    ],
)
def test_what_means_nothing_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_where_nobody_is_shown_anything_there_is_nothing_to_meet():
    costs = np.zeros(ARMS)
    costs[0] = 1.0
    solution = solve(
        (TOPIC, CAMPAIGN), lambda _: np.zeros(ARMS), 1, np.full(ARMS, 2.0), TOLERANCE,
        budgets=(Budget("dear", costs, 3.0),),
    )  # fmt: skip
    assert solution.by_goal.tolist() == [1.0, 1.0]
    assert solution.by_budget.tolist() == [1.0]
    assert (solution.multipliers == 2.0).all()

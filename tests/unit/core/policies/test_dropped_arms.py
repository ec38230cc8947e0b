"""Propensities after arms were dropped from diversified slates, against the enumeration of all rankings."""

from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix
from nightslate.core.policies import plackett_luce
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.core.policies.dropped_arms import propensities_after_drops

from .test_diversity import enumerate_rankings, positive


def enumerated(row, groups, penalty, eligible, shown, depth):
    """Of all rankings of this depth, cut to the eligible: those that begin like the slate, slot by slot, as a
    share of those that begin like it up to the slot before and fill the slot."""
    cuts = [
        ([arm for arm in ranking if eligible[arm]], prod(conditionals))
        for ranking, conditionals in enumerate_rankings(row, groups, penalty, depth)
    ]
    found = []
    for slot in range(len(shown)):
        filled = [(cut, chance) for cut, chance in cuts if cut[:slot] == shown[:slot] and len(cut) > slot]
        found.append(
            sum(chance for cut, chance in filled if cut[slot] == shown[slot])
            / sum(chance for _, chance in filled)
        )
    return np.array(found, dtype=np.float64)


@st.composite
def slates(draw):
    arms = draw(st.integers(2, 6))
    row = draw(st.lists(positive, min_size=arms, max_size=arms))
    groups = draw(st.lists(st.integers(-1, 2), min_size=arms, max_size=arms))
    eligible = draw(st.lists(st.booleans(), min_size=arms, max_size=arms).filter(any))
    depth = draw(st.integers(1, arms))
    kept = draw(st.permutations([arm for arm in range(arms) if eligible[arm]]))
    shown = kept[: draw(st.integers(1, min(3, len(kept), depth)))]
    penalty = draw(st.one_of(st.floats(0.01, 1), st.just(1.0)))
    return row, groups, penalty, eligible, shown, depth


@settings(max_examples=150, deadline=None)
@given(slates())
def test_propensities_are_those_of_enumeration(slate):
    row, groups, penalty, eligible, shown, depth = slate
    found = propensities_after_drops(
        np.array([row]),
        np.array([penalty]),
        np.array([groups]),
        np.array([shown]),
        np.array([eligible]),
        np.array([depth]),
    )
    np.testing.assert_allclose(found[0], enumerated(*slate), rtol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_slates_of_several_slots_are_those_of_enumeration(seed):
    rng, arms = np.random.default_rng(seed), 5
    row, groups = rng.gamma(1, size=arms) + 0.05, rng.integers(-1, 2, arms)
    eligible = rng.permutation([True, True, seed % 2 == 0, False, False])
    shown = rng.permutation(np.flatnonzero(eligible)).tolist()
    penalty, depth = float(rng.uniform(0.05, 1)), int(rng.integers(len(shown), arms + 1))
    slate = np.array([groups]), np.array([shown]), np.array([eligible]), np.array([depth])
    found = propensities_after_drops(np.array([row]), np.array([penalty]), *slate)[0]
    expected = enumerated(row.tolist(), groups.tolist(), penalty, eligible.tolist(), shown, depth)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def deep(depth, rows):
    return np.full(rows, depth)


def many(rows=400, arms=9, slots=3, seed=1):
    """Slates of which arms were dropped at random, in the order of the arguments."""
    rng = np.random.default_rng(seed)
    eligible = rng.random((rows, arms)) < 0.7
    eligible[:, :slots] = True
    order = np.argsort(rng.random((rows, arms)) + ~eligible, axis=1)[:, :slots]
    weights = rng.gamma(0.5, size=(rows, arms)) + 1e-4
    groups = rng.integers(-1, 3, (rows, arms))
    return weights, rng.uniform(0.05, 1, rows), groups, order, eligible, rng.integers(slots, arms + 1, rows)


def test_rows_do_not_depend_on_their_company(monkeypatch):
    slates = many()
    found = propensities_after_drops(*slates)
    for row in range(0, 400, 37):
        alone = propensities_after_drops(*(each[row : row + 1] for each in slates))
        np.testing.assert_array_equal(found[row : row + 1], alone)
    monkeypatch.setattr("nightslate.core.arrays.CHUNK_BYTES", 20_000)
    np.testing.assert_array_equal(propensities_after_drops(*slates), found)


def test_where_nothing_is_dropped_they_are_those_of_the_draw():
    weights, _, groups, shown, *_ = many()
    rows = 400
    one = DiversityPenalty(0.3, groups[0])
    found = propensities_after_drops(
        weights,
        np.full(rows, 0.3),
        np.tile(groups[0], (rows, 1)),
        shown,
        np.ones_like(weights, dtype=bool),
        deep(9, rows),
    )
    np.testing.assert_allclose(found, one.conditional_propensities(weights, shown), rtol=1e-12)


def test_a_penalty_of_1_is_plackett_luce_of_those_left():
    weights, _, groups, shown, eligible, _ = many()
    for depth in (3, 9):
        found = propensities_after_drops(weights, np.ones(400), groups, shown, eligible, deep(depth, 400))
        expected = plackett_luce.conditional_propensities(weights, shown, eligible)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_what_can_be_shown_in_a_slot_sums_to_1():
    weights, penalties, groups, shown, eligible, _ = many(60)
    found = np.zeros(60)
    for arm in range(9):
        free = eligible[:, arm] & (shown[:, :2] != arm).all(axis=1)
        slates = np.column_stack([shown[free, :2], np.full(free.sum(), arm)])
        each = propensities_after_drops(
            weights[free], penalties[free], groups[free], slates, eligible[free], deep(5, len(slates))
        )
        found[free] += each[:, 2]
    np.testing.assert_allclose(found, 1, rtol=1e-12)


def test_mean_importance_weights_are_1_over_a_hundred_thousand_draws():
    """Rankings of 8 arms as they are drawn, of which a third of the arms is dropped, two slots shown."""
    draws, arms, groups = 100_000, 8, np.array([0, 0, 0, 1, 1, 2, -1, -1])
    rng = np.random.default_rng(5)
    weights = np.tile(rng.gamma(3, size=arms) + 0.5, (draws, 1))
    users = mix(np.arange(draws, dtype=np.uint64), 3)
    ranked = DiversityPenalty(0.3, groups).sample_rankings(
        weights, users, mix(np.arange(arms, dtype=np.uint64), 4), arms
    )
    eligible = rng.random((draws, arms)) < 0.67
    kept = np.take_along_axis(eligible, ranked, axis=1)
    shown = np.take_along_axis(ranked, np.argsort(~kept, axis=1, kind="stable"), axis=1)[:, :2]
    whole = kept.sum(axis=1) >= 2
    args = (
        weights[whole],
        np.full(whole.sum(), 0.3),
        np.tile(groups, (whole.sum(), 1)),
        shown[whole],
        eligible[whole],
    )
    found = propensities_after_drops(*args, deep(arms, whole.sum()))
    free = eligible[whole].sum(axis=1)
    weight = 1 / free / found[:, 0] / (free - 1) / found[:, 1]
    error = weight.std() / np.sqrt(len(weight))
    print(f"mean importance weight over {len(weight)} draws: {weight.mean():.5f}, standard error {error:.5f}")
    assert abs(weight.mean() - 1) < 4 * error
    wrong = plackett_luce.conditional_propensities(weights[whole], shown[whole], eligible[whole])
    naive = 1 / free / wrong[:, 0] / (free - 1) / wrong[:, 1]
    assert abs(naive.mean() - 1) > 4 * naive.std() / np.sqrt(len(naive))


def test_ten_arms_may_be_dropped_and_no_more():
    weights, arms = np.ones((2, 14)), 14
    eligible = np.ones((2, arms), dtype=bool)
    eligible[0, :10] = False
    rest = np.full(2, 0.5), np.zeros((2, arms), dtype=int), np.array([[12, 13], [0, 1]])
    found = propensities_after_drops(weights, *rest, eligible, deep(14, 2))
    np.testing.assert_allclose(found[0], [1 / 4, 1 / 3], rtol=1e-12)
    eligible[0, 10] = False
    with pytest.raises(
        InvalidInputError, match="11 arms of a slate are dropped; where there are more than 10"
    ):
        propensities_after_drops(weights, *rest, eligible, deep(14, 2))


W, OK, G = np.ones((1, 3)), np.array([[True, True, False]]), np.zeros((1, 3), dtype=int)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((W, np.array([0.0]), G, np.array([[0]]), OK, deep(3, 1)), "must be in"),
        ((W, np.array([0.5]), G[:, :2], np.array([[0]]), OK, deep(3, 1)), "need as many groups"),
        ((W, np.array([0.5]), G, np.array([[2]]), OK, deep(3, 1)), "1 ranked arms are not eligible"),
        ((W, np.array([0.5]), G, np.array([[0, 1]]), OK, deep(1, 1)), "can't be cut from rankings of 1"),
        ((W, np.array([0.5]), G, np.array([[0, 0]]), OK, deep(3, 1)), "name an arm twice"),
    ],
)
def test_what_has_no_answer_is_refused(args, message):
    with pytest.raises(InvalidInputError, match=message):
        propensities_after_drops(*args)


def test_by_hand():
    """Of a, b of one group and c: a is dropped. It was first (.5), then b has .15 of .35, or b or c were."""
    chance = Fraction(1, 2) * Fraction(15, 35) + Fraction(3, 10)
    found = propensities_after_drops(
        np.array([[0.5, 0.3, 0.2]]),
        np.array([0.5]),
        np.array([[0, 0, -1]]),
        np.array([[1]]),
        np.array([[False, True, True]]),
        deep(3, 1),
    )
    assert found[0, 0] == pytest.approx(float(chance), rel=1e-12)

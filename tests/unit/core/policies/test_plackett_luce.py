from fractions import Fraction
from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.plackett_luce import (
    conditional_propensities,
    joint_propensity,
    log_joint_propensity,
    marginal_propensities,
    marginal_propensities_of,
    restrict,
    sample_rankings,
)

positive = st.one_of(st.floats(1e-9, 1.0), st.sampled_from([1e-3 / 80, 1e-3, 0.5, 1.0]))
weight_rows = st.lists(positive, min_size=3, max_size=6)
DOMINATED = [
    [0.999, 1e-3 / 80, 1e-3 / 80, 2e-5, 4e-4],
    [1e-5, 1e-5, 1.0, 1e-5],
    [1.0, 1e-6, 1e-12],
    [0.25, 0.25, 0.25, 0.25],
]


def enumerate_rankings(row, depth):
    """Every ranking of `depth` arms with its exact conditional probabilities, by the definition."""
    exact = [Fraction(weight) for weight in row]
    for ranking in permutations(range(len(row)), depth):
        left, conditionals = sum(exact), []
        for arm in ranking:
            conditionals.append(exact[arm] / left)
            left -= exact[arm]
        yield ranking, conditionals


def assert_enumerated(row):
    for depth in range(1, len(row) + 1):
        rankings, conditionals = zip(*enumerate_rankings(row, depth), strict=True)
        weights, ranked = np.tile(row, (len(rankings), 1)), np.array(rankings)
        expected = np.array(conditionals, dtype=np.float64)
        joint = np.array([float(prod(each)) for each in conditionals])
        np.testing.assert_allclose(conditional_propensities(weights, ranked), expected, rtol=1e-12)
        np.testing.assert_allclose(joint_propensity(weights, ranked), joint, rtol=1e-12)
        np.testing.assert_allclose(
            log_joint_propensity(weights, ranked), np.log(joint), rtol=1e-12, atol=1e-12
        )
        assert joint.sum() == pytest.approx(1)
    for slot in (1, 2, 3):
        expected = [Fraction(0)] * len(row)
        for ranking, conditionals in enumerate_rankings(row, slot):
            expected[ranking[-1]] += prod(conditionals)
        marginals = marginal_propensities(np.array([row]), slot)[0]
        np.testing.assert_allclose(marginals, np.array(expected, dtype=np.float64), rtol=1e-12)
        assert marginals.sum() == pytest.approx(1, abs=1e-12)
        ranked = np.array([ranking for ranking, _ in enumerate_rankings(row, slot)])
        shown = marginal_propensities_of(np.tile(row, (len(ranked), 1)), ranked)
        np.testing.assert_allclose(shown[:, -1], marginals[ranked[:, -1]], rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(weight_rows)
def test_probabilities_agree_with_enumeration_to_every_digit(row):
    assert_enumerated(row)


@pytest.mark.parametrize("row", DOMINATED)
def test_a_dominating_arm_costs_no_digits(row):
    assert_enumerated(row)


@settings(max_examples=30, deadline=None)
@given(st.lists(positive, min_size=4, max_size=6), st.data())
def test_dropping_arms_leaves_plackett_luce_on_the_others(row, data):
    kept = data.draw(st.lists(st.integers(0, len(row) - 1), min_size=2, max_size=len(row) - 1, unique=True))
    depth = len(kept) - 1
    eligible = np.isin(np.arange(len(row)), kept)
    after_dropping = {}
    for ranking, conditionals in enumerate_rankings(row, len(row)):
        left = tuple(arm for arm in ranking if arm in kept)[:depth]
        after_dropping[left] = after_dropping.get(left, 0) + prod(conditionals)
    rankings = np.array(list(after_dropping))
    shape = (len(rankings), 1)
    joint = joint_propensity(np.tile(row, shape), rankings, np.tile(eligible, shape))
    np.testing.assert_allclose(joint, [float(p) for p in after_dropping.values()], rtol=1e-12)
    marginals = marginal_propensities(np.array([row]), depth if depth < 3 else 3, eligible[None])[0]
    sub = marginal_propensities(np.array([row])[:, eligible], depth if depth < 3 else 3)[0]
    np.testing.assert_allclose(marginals[eligible], sub, rtol=1e-12)
    assert (marginals[~eligible] == 0).all()
    head = rankings[:, :3]
    shown = marginal_propensities_of(np.tile(row, shape), head, np.tile(eligible, shape))
    np.testing.assert_allclose(shown[:, -1], marginals[head[:, -1]], rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=5).filter(lambda row: sum(row) > 0.01), st.floats(1e-6, 1)
)
def test_under_a_floor_no_arm_is_less_likely_in_any_slot_than_its_share_of_it(row, floor):
    weights = mix_floor(np.array([row]) / np.sum(row), floor)
    rankings = np.array(list(permutations(range(len(row)))))
    conditional = conditional_propensities(np.tile(weights, (len(rankings), 1)), rankings)
    assert (conditional >= floor / len(row) / weights.astype(np.float64).sum()).all()


def test_many_rows_in_chunks_are_rows_alone(monkeypatch):
    weights = np.random.default_rng(1).gamma(0.3, size=(50, 7)) + 1e-6
    users, arms = np.arange(50, dtype=np.uint64), np.arange(7, dtype=np.uint64)
    whole = [marginal_propensities(weights, slot) for slot in (1, 2, 3)]
    ranked = sample_rankings(weights, users, arms, 4)
    of_ranked = marginal_propensities_of(weights, ranked[:, :3])
    conditional = conditional_propensities(weights, ranked)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 7000)
    for slot, expected in enumerate(whole, start=1):
        np.testing.assert_array_equal(marginal_propensities(weights, slot), expected)
    np.testing.assert_array_equal(sample_rankings(weights, users, arms, 4), ranked)
    np.testing.assert_array_equal(marginal_propensities_of(weights, ranked[:, :3]), of_ranked)
    np.testing.assert_array_equal(conditional_propensities(weights, ranked), conditional)


def test_float32_weights_are_taken_as_the_numbers_they_are():
    stored = np.array([[0.1, 0.2, 0.7]], dtype=np.float32)
    rankings = np.array([[2, 0]])
    wide = stored.astype(np.float64)
    assert conditional_propensities(stored, rankings).dtype == np.float64
    np.testing.assert_array_equal(
        conditional_propensities(stored, rankings), conditional_propensities(wide, rankings)
    )
    np.testing.assert_array_equal(marginal_propensities(stored, 3), marginal_propensities(wide, 3))


def test_the_order_of_arms_and_of_rows_has_no_say():
    generator = np.random.default_rng(2)
    weights = generator.gamma(0.5, size=(40, 9)) + 1e-4
    users, arms = generator.integers(0, 2**63, 40, dtype=np.uint64), mix(np.arange(9, dtype=np.uint64), 1)
    ranked = sample_rankings(weights, users, arms, 5)
    arm_order, row_order = generator.permutation(9), generator.permutation(40)
    shuffled = sample_rankings(weights[row_order][:, arm_order], users[row_order], arms[arm_order], 5)
    np.testing.assert_array_equal(arms[arm_order][shuffled], arms[ranked][row_order])
    np.testing.assert_array_equal(sample_rankings(weights, users, arms, 9)[:, :5], ranked)
    assert not np.array_equal(sample_rankings(weights, mix(users, 1), arms, 5), ranked)


def test_dropping_an_arm_leaves_the_order_of_the_others():
    weights = np.random.default_rng(3).gamma(0.5, size=(60, 6)) + 1e-4
    users, arms = np.arange(60, dtype=np.uint64), np.arange(6, dtype=np.uint64)
    eligible = np.ones((60, 6), dtype=bool)
    eligible[:, 2] = False
    whole = sample_rankings(weights, users, arms, 6)
    without = sample_rankings(weights, users, arms, 5, eligible)
    np.testing.assert_array_equal(without, whole[whole != 2].reshape(60, 5))


@pytest.mark.parametrize("depth", [1, 3])
def test_rankings_come_as_often_as_their_joint_propensity(depth):
    row, draws = [0.6, 0.25, 0.1, 0.05], 60_000
    users = mix(np.arange(draws, dtype=np.uint64), 99)
    ranked = sample_rankings(np.tile(row, (draws, 1)), users, mix(np.arange(4, dtype=np.uint64), 5), depth)
    rankings, conditionals = zip(*enumerate_rankings(row, depth), strict=True)
    expected = np.array([float(prod(each)) for each in conditionals]) * draws
    observed = [(ranked == ranking).all(axis=1).sum() for ranking in rankings]
    assert sum(observed) == draws
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_no_rows_are_no_rows():
    none, keys = np.empty((0, 4)), np.arange(4, dtype=np.uint64)
    assert sample_rankings(none, keys[:0], keys, 2).shape == (0, 2)
    assert conditional_propensities(none, np.empty((0, 2), dtype=int)).shape == (0, 2)
    assert marginal_propensities(none, 3).shape == (0, 4)
    assert marginal_propensities_of(none, np.empty((0, 3), dtype=int)).shape == (0, 3)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_weights_must_be_finite_and_positive_where_eligible(bad):
    weights = np.array([[0.5, bad, 0.5]])
    with pytest.raises(InvalidInputError, match="1 of 3 weights are not finite and > 0"):
        restrict(weights)
    np.testing.assert_array_equal(restrict(weights, np.array([[True, False, True]])), [[0.5, 0.0, 0.5]])


WEIGHTS = np.ones((2, 4))
FOUR = np.arange(4, dtype=np.uint64)
ONE_LEFT = np.array([[True, True, True, True], [True, False, False, False]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: marginal_propensities(WEIGHTS, 4), "exact for slots 1 to 3, got slot 4"),
        (lambda: marginal_propensities(WEIGHTS, 0), "exact for slots 1 to 3"),
        (lambda: marginal_propensities(WEIGHTS[:, :2], 3), "2 of 2 rows have fewer than 3 eligible arms"),
        (lambda: marginal_propensities(WEIGHTS, 2, ONE_LEFT), "1 of 2 rows have fewer than 2 eligible arms"),
        (
            lambda: marginal_propensities_of(WEIGHTS, np.tile(np.arange(4), (2, 1))),
            "exact for slots 1 to 3, got 4 slots",
        ),
        (lambda: marginal_propensities_of(WEIGHTS, np.array([[0], [1]]), ONE_LEFT), "not eligible in their"),
        (lambda: sample_rankings(WEIGHTS, FOUR[:2], FOUR, 5), "fewer than 5 eligible arms"),
        (lambda: sample_rankings(WEIGHTS, FOUR[:2], FOUR, 2, ONE_LEFT), "1 of 2 rows"),
        (lambda: sample_rankings(WEIGHTS, FOUR[:2], FOUR, 0), "count from 1"),
        (lambda: sample_rankings(WEIGHTS, FOUR, FOUR, 1), "need as many keys"),
        (
            lambda: conditional_propensities(WEIGHTS, np.array([[0, 0], [1, 2]])),
            "1 of 2 rankings name an arm",
        ),
        (lambda: conditional_propensities(WEIGHTS, np.array([[0], [4]])), "outside 0..3"),
        (lambda: conditional_propensities(WEIGHTS, np.array([[0], [-1]])), "outside 0..3"),
        (
            lambda: conditional_propensities(WEIGHTS, np.array([[0], [1]]), ONE_LEFT),
            "not eligible in their row",
        ),
        (lambda: conditional_propensities(WEIGHTS, np.array([0, 1])), "rankings must be"),
        (lambda: restrict(np.ones(3)), "weights must be"),
        (lambda: restrict(WEIGHTS, ONE_LEFT[:1]), "eligible must be booleans of shape"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_three_equal_arms_divide_nothing_by_zero():
    with np.errstate(all="raise"):
        assert marginal_propensities(np.ones((1, 3)), 3) == pytest.approx(1 / 3)
        assert marginal_propensities_of(np.ones((1, 3)), np.array([[2, 0, 1]])) == pytest.approx(1 / 3)

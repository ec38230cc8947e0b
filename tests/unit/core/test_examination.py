from functools import reduce
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.examination import LEAST, ExaminationSums
from nightslate.core.policies.plackett_luce import joint_propensity, marginal_propensities_of

PAY = np.array([0.5, 0.2, 0.1, 0.05])
LITTLE = 1e-9
EXAMINED = np.array([[1.0, 0.6, 0.3], [1.0, 0.9, 0.05]])


def slates(weights):
    """Every slate of 3 of the 4 arms with its probability."""
    rankings = np.array(list(permutations(range(4), 3)))
    return rankings, joint_propensity(np.tile(weights, (len(rankings), 1)), rankings)


def expectation_of(weights, weighted=True):
    """The sums of infinitely much traffic: each slate as often as it comes, with its expected rewards."""
    rankings, joint = slates(weights)
    times = np.rint(joint * 100_000).astype(int)
    sums = ExaminationSums.zero(2, 3)
    for surface, examined in enumerate(EXAMINED):
        shown = np.repeat(rankings, times, axis=0)
        propensities = marginal_propensities_of(np.tile(weights, (len(shown), 1)), shown)
        sums = sums.update(
            np.full(shown.size, surface),
            np.tile([1, 2, 3], len(shown)),
            (PAY[shown] * examined).ravel(),
            propensities.ravel() if weighted else None,
        )
    return sums


def test_uniform_traffic_gives_the_ratios_exactly():
    found = expectation_of(np.ones(4)).probabilities(prior_strength=LITTLE)
    np.testing.assert_allclose(found, EXAMINED, rtol=1e-9)


def test_inverse_propensities_make_other_traffic_uniform_and_nothing_else_does():
    skewed = np.array([0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(
        expectation_of(skewed).probabilities(prior_strength=LITTLE), EXAMINED, rtol=1e-3
    )
    naive = expectation_of(skewed, weighted=False).probabilities(prior_strength=LITTLE)
    assert abs(naive[0, 1] / EXAMINED[0, 1] - 1) > 0.05


def by_cell(rows):
    """Impressions of one surface: (slot, how many, mean reward)."""
    slots = np.concatenate([np.full(count, slot) for slot, count, _ in rows])
    rewards = np.concatenate([np.full(count, mean) for _, count, mean in rows])
    return ExaminationSums.zero(1, 3).update(np.zeros(len(slots), dtype=int), slots, rewards)


def test_little_traffic_stays_near_the_prior_and_much_leaves_it():
    prior = np.array([1.0, 0.5, 0.25])
    few = by_cell([(1, 10, 0.2), (2, 10, 0.2)]).probabilities(prior, prior_strength=45)[0]
    np.testing.assert_allclose(few, [1.0, (5 * 1.0 + 45 * 0.5) / 50, 0.25])
    many = by_cell([(1, 10_000, 0.2), (2, 10_000, 0.16)]).probabilities(prior, prior_strength=45)[0]
    assert many[1] == pytest.approx(0.8, abs=0.005)


def test_uneven_weights_count_as_fewer_impressions():
    even = by_cell([(1, 50, 0.2), (2, 50, 0.2)])
    weights = np.where(np.arange(100) % 50 < 10, 1.0, 1e-3)
    uneven = ExaminationSums.zero(1, 3).update(
        np.zeros(100, dtype=int), np.repeat([1, 2], 50), np.full(100, 0.2), 1e-3 / weights
    )
    few = by_cell([(1, 10, 0.2), (2, 10, 0.2)])
    assert uneven.probabilities()[0, 1] == pytest.approx(few.probabilities()[0, 1], rel=0.01)
    assert uneven.probabilities()[0, 1] < 0.95 * even.probabilities()[0, 1]


def test_the_prior_is_1_by_slot_unless_stated():
    np.testing.assert_allclose(
        ExaminationSums.zero(2, 4).probabilities(), np.tile([1, 1 / 2, 1 / 3, 1 / 4], (2, 1))
    )
    never = by_cell([(1, 500, 0.0), (2, 500, 0.1)])
    np.testing.assert_allclose(never.probabilities()[0], [1, 1 / 2, 1 / 3])


def test_what_is_estimated_outside_0_to_1_is_clipped():
    found = by_cell([(1, 1000, 0.1), (2, 1000, 0.3), (3, 1000, 0.0)]).probabilities(prior_strength=LITTLE)[0]
    np.testing.assert_array_equal(found, [1.0, 1.0, LEAST])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 3), st.floats(0, 2), st.floats(0.01, 1)),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 100),
)
def test_partitions_in_any_order_give_the_sums_of_one_pass(rows, seed):
    surfaces, slots, rewards, propensities = (np.array(column) for column in zip(*rows, strict=True))
    whole = ExaminationSums.zero(2, 3).update(surfaces, slots, rewards, propensities)
    order = np.random.default_rng(seed).permutation(len(rows))
    parts = [
        ExaminationSums.zero(2, 3).update(surfaces[p], slots[p], rewards[p], propensities[p])
        for p in np.array_split(order, 8)
    ]
    merged = reduce(lambda one, other: one.merge(other), parts)
    np.testing.assert_allclose(merged.probabilities(), whole.probabilities(), rtol=1e-9)
    travelled = ExaminationSums.from_arrays(merged.arrays())
    np.testing.assert_array_equal(travelled.probabilities(), merged.probabilities())


ONE = np.ones(1, dtype=int)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.update(ONE * 2, ONE, ONE * 0.1), "surfaces has 1 of 1 values outside 0..1"),
        (lambda s: s.update(ONE, ONE * 0, ONE * 0.1), "slots counted from 0 has 1 of 1 values outside 0..2"),
        (lambda s: s.update(ONE, ONE * 4, ONE * 0.1), "slots counted from 0"),
        (lambda s: s.update(ONE, ONE, ONE * -0.1), "1 rewards are negative"),
        (lambda s: s.update(ONE, ONE, ONE * np.nan), "not finite"),
        (lambda s: s.update(ONE, ONE, ONE * 0.1, ONE * 0.0), r"1 of 1 propensities are not in \(0, 1\]"),
        (lambda s: s.update(ONE, ONE, ONE * 0.1, ONE * 1.1), r"not in \(0, 1\]"),
        (lambda s: s.probabilities(np.array([0.9, 0.5, 0.2])), "starts with 1"),
        (lambda s: s.probabilities(np.array([1.0, 0.5, 0.0])), "starts with 1"),
        (lambda s: s.probabilities(np.array([1.0, 0.5])), "prior must have shape"),
        (lambda s: s.probabilities(prior_strength=0), "prior_strength must be"),
    ],
)
def test_what_means_nothing_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call(ExaminationSums.zero(2, 3))

"""Days weighted by what they tell, beside a plain loop over users."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.experiments import DailyShares, Moments, adaptive_difference, effect


def moments_of(day, variant, probabilities, numerator, denominator):
    days, variants = day.max() + 1, probabilities.shape[1]
    own = probabilities[np.arange(len(day)), variant]
    columns = np.stack([numerator / own, denominator / own, 1 / own], axis=1)
    return Moments.initial((days, variants), 3).update(day * variants + variant, columns)


def compared(day, variant, probabilities, numerator, denominator=None, treatment=1):
    denominator = np.ones(len(day)) if denominator is None else denominator
    users = moments_of(day, variant, probabilities, numerator, denominator)
    shares = DailyShares.of(day, probabilities, day.max() + 1)
    return adaptive_difference(users, shares, 0, treatment, 0.95)


def by_a_loop(day, variant, probabilities, values, treatment=1):
    """A mean, user by user, as the formulas say it."""
    scores, weights = [], []
    for t in range(day.max() + 1):
        today = np.flatnonzero(day == t)
        if not len(today):
            continue
        inverse = 1 / probabilities[today][:, 0] + 1 / probabilities[today][:, treatment]
        expected = {}
        for v in (0, treatment):
            known = [i for i in range(len(day)) if day[i] < t and variant[i] == v]
            known = known or [i for i in today if variant[i] == v]
            known = known or [i for i in range(len(day)) if variant[i] == v]
            weight = [1 / probabilities[i, v] for i in known]
            expected[v] = np.average(values[known], weights=weight)
        for i in today:
            score = expected[treatment] - expected[0]
            for v, sign in ((0, -1), (treatment, 1)):
                if variant[i] == v:
                    score += sign * (values[i] - expected[v]) / probabilities[i, v]
            scores.append(score)
            weights.append(inverse.mean() ** -0.5)
    scores, weights = np.array(scores), np.array(weights)
    value = np.average(scores, weights=weights)
    return value, np.sqrt((weights**2 * (scores - value) ** 2).sum()) / weights.sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), variants=st.integers(2, 4), days=st.integers(1, 6))
def test_it_is_what_a_loop_over_users_says(seed, variants, days):
    rng = np.random.default_rng(seed)
    day = np.concatenate([np.sort(rng.integers(0, days, 60)), np.full(8, days)])
    probabilities = rng.dirichlet(np.ones(variants), len(day)) * 0.9 + 0.1 / variants
    variant = np.array([rng.choice(variants, p=p) for p in probabilities])
    variant[-8:] = np.arange(8) % variants
    values = rng.normal(size=len(day)) + day + 0.5 * variant
    found = compared(day, variant, probabilities, values, treatment=variants - 1)
    value, stderr = by_a_loop(day, variant, probabilities, values, variants - 1)
    np.testing.assert_allclose((found.effect, found.stderr), (value, stderr), rtol=1e-9)


def test_of_equal_shares_it_is_the_difference_of_means():
    rng = np.random.default_rng(1)
    day, variant = np.sort(rng.integers(0, 5, 4_000)), rng.integers(0, 2, 4_000)
    values = rng.normal(size=4_000) + 0.1 * variant
    found = compared(day, variant, np.full((4_000, 2), 0.5), values)
    users = Moments.initial((2,), 2).update(variant, np.stack([values, np.ones(4_000)], axis=1))
    plain = effect(users.cell(0), users.cell(1), 0.95).difference
    assert found.effect == pytest.approx(plain.effect, abs=0.05 * plain.stderr)
    assert found.stderr == pytest.approx(plain.stderr, rel=0.01)


def test_a_ratio_is_that_of_two_sums():
    rng = np.random.default_rng(2)
    day, variant = np.sort(rng.integers(0, 3, 6_000)), rng.integers(0, 2, 6_000)
    orders = rng.poisson(3.0, 6_000) + 1.0
    spend = orders * (10 + 2 * variant) + rng.normal(size=6_000)
    found = compared(day, variant, np.full((6_000, 2), 0.5), spend, orders)
    users = Moments.initial((2,), 2).update(variant, np.stack([spend, orders], axis=1))
    plain = effect(users.cell(0), users.cell(1), 0.95).difference
    assert found.effect == pytest.approx(plain.effect, abs=0.01)
    assert found.stderr == pytest.approx(plain.stderr, rel=0.02)


def test_a_day_without_one_of_both_tells_nothing():
    rng = np.random.default_rng(3)
    day = np.repeat([0, 1], 1_000)
    probabilities = np.where(day[:, None] == 0, [0.5, 0.5], [1.0, 0.0])
    variant = np.where(day == 0, rng.integers(0, 2, 2_000), 0)
    values = rng.normal(size=2_000) + 5.0 * day
    found = compared(day, variant, probabilities, values)
    first = compared(day[:1_000], variant[:1_000], probabilities[:1_000], values[:1_000])
    assert found == first


def test_it_is_the_same_however_users_are_split():
    rng = np.random.default_rng(4)
    day, variant = rng.integers(0, 4, 1_000), rng.integers(0, 2, 1_000)
    probabilities, values = np.full((1_000, 2), 0.5), rng.gamma(2.0, size=1_000)
    whole = compared(day, variant, probabilities, values)
    parts = [slice(None, 300), slice(300, None)]
    ones = np.ones(1_000)
    states = [
        Moments.initial((4, 2), 3).merge(_padded(day[p], variant[p], values[p], ones[p])) for p in parts
    ]
    shares = [DailyShares.of(day[p], probabilities[p], 4) for p in parts]
    found = adaptive_difference(states[0].merge(states[1]), shares[0].merge(shares[1]), 0, 1, 0.95)
    assert found.effect == pytest.approx(whole.effect, rel=1e-12)
    assert found.stderr == pytest.approx(whole.stderr, rel=1e-12)


def _padded(day, variant, values, ones):
    columns = np.stack([values, ones, ones], axis=1) / 0.5
    return Moments.initial((4, 2), 3).update(day * 2 + variant, columns)


@pytest.mark.parametrize("lacking", ["nobody treated", "one user", "nothing varies"])
def test_without_users_or_without_variation_there_is_no_interval(lacking):
    day, variant = np.zeros(20, dtype=np.int64), np.arange(20) % 2
    values = np.ones(20) if lacking == "nothing varies" else np.arange(20.0)
    if lacking == "nobody treated":
        variant = variant * 0
    if lacking == "one user":
        variant = (np.arange(20) == 7).astype(np.int64)
    found = compared(day, variant, np.full((20, 2), 0.5), values)
    assert found.stderr is found.lower is found.log_e is None
    assert (found.effect is None) == (lacking == "nobody treated")


@pytest.mark.parametrize("seed", range(4))
def test_what_is_the_same_of_all_users_is_no_certainty_whatever_their_weights(seed):
    rng = np.random.default_rng(seed)
    day, size = np.sort(rng.integers(0, 9, 900)), rng.gamma(1.0, size=900) if seed % 2 else np.ones(900)
    share = rng.uniform(0.05, 0.95, 9)[day]
    variant = (rng.random(900) < share).astype(np.int64)
    found = compared(day, variant, np.stack([1 - share, share], axis=1), rng.lognormal(0, 5) * size, size)
    assert found.stderr is found.p is found.log_e is None

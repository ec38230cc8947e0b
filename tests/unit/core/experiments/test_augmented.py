"""Augmented effects, beside the formulas of the papers written down user by user."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.experiments import (
    DailyShares,
    Moments,
    augmented_difference,
    augmented_scores,
    effect,
    policy_difference,
    value_of,
)
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected


def drawn(seed, users=70, variants=2, days=4, features=2):
    """Users of days, in whose order what was seen moves the probabilities, which follow a feature."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, users))
    x = rng.normal(size=(users, features))
    probabilities = rng.dirichlet(np.ones(variants), users) * 0.8 + 0.2 / variants
    variant = np.array([rng.choice(variants, p=p) for p in probabilities])
    variant[-2 * variants :] = np.arange(2 * variants) % variants
    values = 3.0 * day + x @ np.arange(1, features + 1) + 0.5 * variant + rng.normal(size=users)
    fold = rng.integers(0, FOLDS, users)
    return day, fold, variant, probabilities, x, values


def estimated(day, fold, variant, probabilities, x, values, denominators=None, treatment=1):
    """By cross-fitted models with even weights, and by those of days before with days weighted."""
    days, variants = day.max() + 1, probabilities.shape[1]
    own = probabilities[np.arange(len(day)), variant]
    ones = np.ones(len(day))
    parts = np.stack([values, ones if denominators is None else denominators], axis=1)
    sums = OutcomeSums.initial(days, variants, x.shape[1])
    models = OutcomeModels.of(sums.update(day, fold, variant, own, x, parts))
    of_variants = Moments.initial((variants,), 2).update(variant, parts / own[:, None])
    arms = [value_of(of_variants.cell(v)) for v in (0, treatment)]
    found = []
    sequential = models.sequential.reshape(-1, *models.sequential.shape[2:])
    shares = DailyShares.of(day, probabilities, days)
    for fits, cell, of_day, h in (
        (models.crossfitted, fold, np.zeros_like(day), np.ones(1)),
        (sequential, day * FOLDS + fold, day, shares.weights(0, treatment)),
    ):
        scores = augmented_scores(expected(fits, cell, x), variant, own, parts)
        pair = scores[:, [0, treatment]].reshape(-1, 4)
        moments = Moments.initial((len(h),), 4).update(of_day, pair)
        found.append(augmented_difference(moments, h, *arms, 0.95))
    return found


def model_of(rows, variant, v, probabilities, x, values):
    """The ridge regression of those of some users who are in a variant, as least squares with a row more for
    each feature."""
    mine = [i for i in rows if variant[i] == v]
    if not mine:
        return None
    weight = 1 / probabilities[mine, v]
    weight = weight / weight.sum()
    mean = weight @ x[mine]
    scale = np.sqrt(weight @ (x[mine] - mean) ** 2)
    scale[scale < 1e-9] = np.inf
    standard = (x[mine] - mean) / scale
    design = np.column_stack([np.ones(len(mine)), standard]) * np.sqrt(weight)[:, None]
    shrink = np.column_stack([np.zeros(x.shape[1]), np.eye(x.shape[1]) / np.sqrt(len(mine))])
    target = np.concatenate([values[mine] * np.sqrt(weight), np.zeros(x.shape[1])])
    beta = np.linalg.lstsq(np.concatenate([design, shrink]), target, rcond=None)[0]
    return lambda point: beta[0] + (point - mean) / scale @ beta[1:]


def by_hand(day, fold, variant, probabilities, x, values, treatment, by_day):
    """Hadad and others, 2021, equations 5 and 15; Zhan and others, 2021, section 3."""
    everybody = range(len(day))
    known = {}

    def said(i, v):
        """By earlier days and others of the same day, in other folds than i's; if nobody, by all of these."""
        cell = (day[i] if by_day else None, fold[i], v)
        if cell not in known:
            others = [j for j in everybody if fold[j] != fold[i]]
            before = [j for j in everybody if day[j] < day[i] or (day[j] == day[i] and fold[j] != fold[i])]
            fitted = model_of(before, variant, v, probabilities, x, values) if by_day else None
            known[cell] = fitted or model_of(others, variant, v, probabilities, x, values) or (lambda _: 0.0)
        return known[cell](x[i])

    scores, weights = [], []
    for i in everybody:
        total = said(i, treatment) - said(i, 0)
        for v, sign in ((treatment, 1), (0, -1)):
            if variant[i] == v:
                total += sign * (values[i] - said(i, v)) / probabilities[i, v]
        today = day == day[i]
        inverse = (1 / probabilities[today][:, 0] + 1 / probabilities[today][:, treatment]).mean()
        scores.append(total)
        weights.append(inverse**-0.5 if by_day else 1.0)
    scores, weights = np.array(scores), np.array(weights)
    value = np.average(scores, weights=weights)
    return value, np.sqrt((weights**2 * (scores - value) ** 2).sum()) / weights.sum()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), variants=st.integers(2, 4), days=st.integers(1, 5), d=st.integers(0, 3)
)
def test_it_is_what_the_papers_say_user_by_user(seed, variants, days, d):
    given_ = drawn(seed, variants=variants, days=days, features=d)
    for found, by_day in zip(estimated(*given_, treatment=variants - 1), (False, True), strict=True):
        value, stderr = by_hand(*given_, variants - 1, by_day)
        assert found.effect == pytest.approx(value, rel=1e-8, abs=1e-10)
        assert found.stderr == pytest.approx(stderr, rel=1e-8)


def test_a_metric_that_is_all_in_the_features_is_known_without_error():
    day, fold, variant, probabilities, x, _ = drawn(1, users=2_000)
    exact = x @ [1.0, 2.0]
    exact = exact + 0.25 * variant
    known = estimated(day, fold, variant, probabilities, x, exact)
    unknown = estimated(day, fold, variant, probabilities, x * 0, exact)
    for one, other in zip(known, unknown, strict=True):
        assert one.effect == pytest.approx(0.25, abs=0.02)
        assert one.stderr < 0.1 * other.stderr


def test_a_ratio_is_that_of_two_sums():
    rng = np.random.default_rng(2)
    users = 6_000
    day, fold, variant = (
        np.sort(rng.integers(0, 3, users)),
        rng.integers(0, FOLDS, users),
        rng.integers(0, 2, users),
    )
    orders = rng.poisson(3.0, users) + 1.0
    spend = orders * (10 + 2 * variant) + rng.normal(size=users)
    probabilities, x = np.full((users, 2), 0.5), np.empty((users, 0))
    both = Moments.initial((2,), 2).update(variant, np.stack([spend, orders], axis=1))
    plain = effect(both.cell(0), both.cell(1), 0.95).difference
    for found in estimated(day, fold, variant, probabilities, x, spend, orders):
        assert found.effect == pytest.approx(plain.effect, abs=0.02)
        assert found.stderr == pytest.approx(plain.stderr, rel=0.03)


def test_what_a_policy_is_worth_is_the_mean_of_its_scores():
    day, fold, variant, probabilities, x, values = drawn(7, users=900, variants=3)
    own, parts = probabilities[np.arange(900), variant], np.stack([values, np.ones(900)], axis=1)
    sums = OutcomeSums.initial(4, 3, 2).update(day, fold, variant, own, x, parts)
    scores = augmented_scores(expected(OutcomeModels.of(sums).crossfitted, fold, x), variant, own, parts)
    share = np.array([0.2, 0.3, 0.5])
    both = [np.einsum("uk,ukp->up", each, scores) for each in (np.tile(share, (900, 1)), probabilities)]
    moments = Moments.initial((1,), 4).update(np.zeros(900, dtype=np.int64), np.hstack(both))
    users = value_of(Moments.initial((1,), 2).update(np.zeros(900, np.int64), parts / own[:, None]).cell(0))
    found = policy_difference(moments, users, 0.95)
    gain = ((probabilities - share)[:, :, None] * scores).sum(axis=1)[:, 0]
    assert found.effect == pytest.approx(gain.mean())
    assert found.stderr == pytest.approx(gain.std() / 900**0.5)
    same = Moments.initial((1,), 4).update(np.zeros(900, np.int64), np.hstack([both[0], both[0]]))
    told = policy_difference(same, users, 0.95)
    assert (told.effect, told.stderr) == (0, None)


@pytest.mark.parametrize("lacking", ["what the treated do", "users", "nothing varies"])
def test_without_users_or_without_variation_there_is_no_interval(lacking):
    day, fold, variant, probabilities, x, values = drawn(4)
    if lacking in ("what the treated do", "users"):
        variant = np.where(np.arange(len(day)) == 0, 1, 0)
        values = values if lacking == "users" else np.where(variant == 1, 0.0, values)
        day[:] = 0
    else:
        values = np.full(len(day), 5.0)
    for found in estimated(day, fold, variant, probabilities, x, values):
        assert found.stderr is found.log_e is None
        if lacking == "nothing varies":
            assert found.stderr is found.p is None
            assert found.effect == pytest.approx(0, abs=1e-9)


def test_it_is_the_same_however_users_are_split():
    day, fold, variant, probabilities, x, values = drawn(5, users=500)
    own, parts = probabilities[np.arange(500), variant], np.stack([values, np.ones(500)], axis=1)
    nobody = OutcomeSums.initial(4, 2, 2)
    whole = nobody.update(day, fold, variant, own, x, parts)
    halves = [
        nobody.update(day[p], fold[p], variant[p], own[p], x[p], parts[p])
        for p in (slice(None, 200), slice(200, None))
    ]
    one, other = OutcomeModels.of(whole), OutcomeModels.of(halves[0].merge(halves[1]))
    np.testing.assert_allclose(one.crossfitted, other.crossfitted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.sequential, other.sequential, rtol=1e-9, atol=1e-12)


def test_a_feature_that_repeats_another_changes_nothing_much():
    day, fold, variant, probabilities, x, values = drawn(6, users=2_000)
    twice = np.column_stack([x, x[:, 0], np.full(2_000, 7.0)])
    for one, other in zip(
        estimated(day, fold, variant, probabilities, x, values),
        estimated(day, fold, variant, probabilities, twice, values),
        strict=True,
    ):
        assert one.effect == pytest.approx(other.effect, abs=0.05 * one.stderr)
        assert one.stderr == pytest.approx(other.stderr, rel=0.01)

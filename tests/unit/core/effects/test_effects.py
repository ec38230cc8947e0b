"""Effects by a DR-learner: against its definition written down anew, and against a truth."""

from functools import reduce

import numpy as np
import pytest

from nightslate.core.effects import (
    CrossFitted,
    EffectSums,
    Estimator,
    LinearEffects,
    Observed,
    OutcomeSums,
    ResidualSums,
    UserSample,
    Worth,
    columns,
    could_be,
    nobody,
    own_fold,
    pseudo_outcomes,
    slope,
)
from nightslate.core.effects.nuisances import RIDGE
from nightslate.core.effects.ridge import ridge_fit
from nightslate.core.errors import InvalidInputError
from nightslate.core.experiments import Moments

from . import worlds
from .worlds import CONTROL, FOLDS, TREATMENTS

SHRINKS = 25.0


@pytest.fixture(scope="module")
def users() -> Observed:
    return worlds.users(900, seed=3)


def learnt(parts: list[Observed]) -> tuple[np.ndarray, EffectSums, CrossFitted]:
    """What is expected, sums of pseudo-outcomes and models, of users in parts."""
    outcomes = OutcomeSums.initial(FOLDS, worlds.VARIANTS, 5, 2)
    models = reduce(lambda a, b: a.merge(b), [outcomes.update(part) for part in parts]).models()
    scores = [pseudo_outcomes(part, models, CONTROL, TREATMENTS) for part in parts]
    could = [could_be(part, CONTROL, TREATMENTS) for part in parts]
    given = list(zip(parts, scores, could, strict=True))
    nothing = EffectSums.initial(FOLDS, 2, 5, 2)
    sums = reduce(lambda a, b: a.merge(b), [nothing.update(*each) for each in given])
    fits = sums.fits(SHRINKS)
    left = ResidualSums.initial(FOLDS, 2, 5, 2)
    residuals = reduce(lambda a, b: a.merge(b), [left.update(*each, fits) for each in given])
    return models, sums, residuals.models(fits, sums)


def plain_ridge(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients by least squares with a row more for each column, and what it costs."""
    costs = ridge * np.array([0.0, 1.0, 1.0, 1.0, x[:, 4].var()])
    stacked = np.vstack([x, np.diag(np.sqrt(costs))])
    padding = np.zeros((len(costs), *y.shape[1:]))
    return np.linalg.lstsq(stacked, np.concatenate([y, padding]), rcond=None)[0], costs


def plainly(
    users: Observed, without: int | None, treatment: int, metric: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and covariance of one effect, user by user and fold by fold."""
    x, y, scores = users.contexts, users.values[:, metric], np.zeros(len(users.fold))
    for fold in range(FOLDS):
        others, mine = ~np.isin(users.fold, [fold, without]), users.fold == fold
        expected = [
            x @ plain_ridge(x[others & (users.variant == v)], y[others & (users.variant == v)], RIDGE)[0]
            for v in range(worlds.VARIANTS)
        ]
        for user in np.flatnonzero(mine):
            score = expected[treatment][user] - expected[CONTROL][user]
            if users.variant[user] in (treatment, CONTROL):
                sign = 1 if users.variant[user] == treatment else -1
                own = users.variant[user]
                score += sign * (y[user] - expected[own][user]) / users.probabilities[user, own]
            scores[user] = score
    taught = users.probabilities[:, treatment] > 0
    if without is not None:
        taught &= users.fold != without
    x, scores = x[taught], scores[taught]
    coefficients, costs = plain_ridge(x, scores, SHRINKS)
    left = scores - x @ coefficients
    inverse = np.linalg.inv(x.T @ x + np.diag(costs))
    free = len(x) - np.trace(inverse @ x.T @ x)
    meat = (x * left[:, None] ** 2).T @ x * len(x) / free + (left @ left) / free * np.diag(costs)
    return coefficients, inverse @ meat @ inverse


@pytest.mark.parametrize("without", [None, 1])
def test_a_linear_model_is_what_its_definition_says(users: Observed, without: int | None) -> None:
    _, _, fitted = learnt([users])
    model = fitted.of_all if without is None else fitted.of_others[without]
    assert isinstance(model, LinearEffects)
    for place, treatment in enumerate(TREATMENTS):
        for metric in range(2):
            coefficients, covariance = plainly(users, without, treatment, metric)
            found = model.coefficients[place, :, metric]
            np.testing.assert_allclose(users.contexts @ found, users.contexts @ coefficients, atol=1e-9)
            np.testing.assert_allclose(model.covariances[place, metric], covariance, rtol=1e-6, atol=1e-12)
    effects = model.effects(users.contexts[:7])
    expected = np.einsum("nd,tmde,ne->ntm", users.contexts[:7], model.covariances, users.contexts[:7])
    np.testing.assert_allclose(effects.stderr**2, expected, rtol=1e-9)


def test_however_users_are_split_the_same_is_learnt(users: Observed) -> None:
    _, sums, whole = learnt([users])
    dice = np.random.default_rng(1).integers(0, 4, len(users.fold))
    _, in_parts, parted = learnt([users.taken(np.flatnonzero(dice == part)) for part in range(4)])
    np.testing.assert_allclose(in_parts.moment, sums.moment, rtol=1e-9, atol=1e-9)
    one, other = whole.held_out(users), parted.held_out(users)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.stderr, other.stderr, rtol=1e-7)


def test_users_are_judged_by_what_others_taught(users: Observed) -> None:
    """What came of the users of a fold changes nothing of what is said of them."""
    _, _, fitted = learnt([users])
    mine = np.flatnonzero(users.fold == 1)
    changed = users.values.copy()
    changed[mine] += 1_000.0
    _, _, another = learnt([Observed(**{**users.arrays(), "values": changed})])
    for one, other in zip(
        fitted.held_out(users).__dict__.values(), another.held_out(users).__dict__.values(), strict=True
    ):
        np.testing.assert_array_equal(one[mine], other[mine])
        assert np.abs(one - other).max() > 0.1


def test_the_mean_score_is_the_augmented_estimate(users: Observed) -> None:
    """Of a treatment that everybody could be in: the augmented mean of each variant, by models of others."""
    models, _, _ = learnt([users])
    scores = own_fold(users, pseudo_outcomes(users, models, CONTROL, TREATMENTS))
    expected = np.einsum("nd,nkdm->nkm", users.contexts, models[users.fold, users.fold])
    means = []
    for variant in (CONTROL, 1):
        own = (users.variant == variant) / users.probabilities[:, variant]
        left = users.values - expected[:, variant]
        means.append((expected[:, variant] + own[:, None] * left).mean(axis=0))
    np.testing.assert_allclose(scores[:, 0].mean(axis=0), means[1] - means[0], rtol=1e-12)


def test_who_could_not_be_in_a_treatment_says_nothing_of_it(users: Observed) -> None:
    models, _, fitted = learnt([users])
    could = could_be(users, CONTROL, TREATMENTS)
    closed = users.probabilities[:, 2] == 0
    assert 50 < closed.sum() < 150
    np.testing.assert_array_equal(could, np.stack([np.ones_like(closed), ~closed], axis=1))
    assert (pseudo_outcomes(users, models, CONTROL, TREATMENTS)[closed, :, 1] == 0).all()
    changed = users.values.copy()
    changed[closed & (users.variant == 1)] -= 5.0  # of another treatment, which they could be in
    _, _, another = learnt([Observed(**{**users.arrays(), "values": changed})])
    moved = np.abs(another.held_out(users).mean - fitted.held_out(users).mean).max(axis=(0, 2))
    assert moved[0] > 0.01
    assert moved[1] < 1e-12


def test_effects_are_found_with_standard_errors_that_hold_them() -> None:
    users = worlds.users(40_000, seed=8)
    _, _, fitted = learnt([users])
    some = users.contexts[:400]
    effects = fitted.of_all.effects(some)
    off = (effects.mean - worlds.effects_on(some)) / effects.stderr
    assert np.abs(effects.mean - worlds.effects_on(some)).max() < 0.12
    assert np.sqrt(np.square(off).mean()) == pytest.approx(1.0, abs=0.4)


def test_what_hardly_any_user_tells_of_is_uncertain() -> None:
    users = worlds.users(3_000, seed=2)
    rare = np.zeros((len(users.fold), 1))
    rare[:2] = 1.0
    more = Observed(**{**users.arrays(), "contexts": np.hstack([users.contexts, rare])})
    outcomes = OutcomeSums.initial(FOLDS, worlds.VARIANTS, 6, 2).update(more)
    given = more, pseudo_outcomes(more, outcomes.models(), CONTROL, TREATMENTS), could_be(more, 0, TREATMENTS)
    sums = EffectSums.initial(FOLDS, 2, 6, 2).update(*given)
    fits = sums.fits(SHRINKS)
    model = ResidualSums.initial(FOLDS, 2, 6, 2).update(*given, fits).models(fits, sums).of_all
    usual, unusual = model.effects(more.contexts[2:3]).stderr, model.effects(more.contexts[:1]).stderr
    assert (unusual > 3 * usual).all()


def test_an_estimator_learns_the_same_effects(users: Observed) -> None:
    models, _, linear = learnt([users])
    estimated = Estimator("ridge", {"alpha": SHRINKS}, 1).cross_fitted(users, models, CONTROL, TREATMENTS)
    one, other = (each.of_all.effects(users.contexts) for each in (linear, estimated))
    assert np.abs(one.mean - other.mean).max() < 0.1
    assert 0.3 < np.median(other.stderr / one.stderr) < 2
    held = estimated.held_out(users)
    changed = Observed(**{**users.arrays(), "values": users.values + (users.fold == 1)[:, None] * 1_000.0})
    outcomes = OutcomeSums.initial(FOLDS, worlds.VARIANTS, 5, 2).update(changed)
    again = Estimator("ridge", {"alpha": SHRINKS}, 1).cross_fitted(
        changed, outcomes.models(), CONTROL, TREATMENTS
    )
    np.testing.assert_array_equal(again.held_out(changed).mean[users.fold == 1], held.mean[users.fold == 1])
    np.testing.assert_array_equal(
        again.held_out(changed).stderr[users.fold == 1], held.stderr[users.fold == 1]
    )
    restored = type(estimated.of_all).from_arrays(estimated.of_all.arrays())
    np.testing.assert_array_equal(restored.effects(users.contexts).mean, other.mean)


def test_an_estimator_of_users_who_do_not_differ_says_what_they_say() -> None:
    users = worlds.users(60, seed=1)
    alike = Observed(**{**users.arrays(), "values": np.zeros((60, 2))})
    models = OutcomeSums.initial(FOLDS, worlds.VARIANTS, 5, 2).update(alike).models()
    found = Estimator("ridge", {}, 1).cross_fitted(alike, models, CONTROL, TREATMENTS)
    assert np.abs(found.held_out(alike).mean).max() == 0


def test_a_sample_is_the_same_in_whatever_order_users_come(users: Observed) -> None:
    order = np.random.default_rng(4).permutation(len(users.fold))
    whole = UserSample.of(users, 100)
    parts = [UserSample.of(users.taken(part), 100) for part in np.array_split(order, 7)]
    merged = reduce(lambda a, b: a.merge(b), parts, UserSample.of(nobody(5, worlds.VARIANTS, 2), 100))
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(merged.arrays()[name], array, err_msg=name)
    assert len(whole.fold) == 100
    assert set(whole.keys) == set(np.sort(users.keys)[:100])


def test_a_slope_is_that_of_least_squares_with_its_sandwich() -> None:
    dice = np.random.default_rng(7)
    said = dice.normal(2, 1, 500)
    scores = 0.7 * said + dice.normal(0, 1, 500) * (1 + said**2)
    moments = Moments.initial((1,), 4).update(np.zeros(500, dtype=np.int64), columns(scores, said)).cell(0)
    found, x = slope(moments), np.column_stack([np.ones(500), said])
    coefficients = np.linalg.lstsq(x, scores, rcond=None)[0]
    left, inverse = scores - x @ coefficients, np.linalg.inv(x.T @ x)
    sandwich = inverse @ ((x * left[:, None] ** 2).T @ x) @ inverse
    assert found.value == pytest.approx(coefficients[1])
    assert found.stderr == pytest.approx(np.sqrt(sandwich[1, 1]))


def test_of_predictions_that_are_all_the_same_there_is_no_slope() -> None:
    flat = Moments.initial((1,), 4).update(
        np.zeros(9, dtype=np.int64), columns(np.arange(9.0), np.full(9, 0.3))
    )
    assert slope(flat.cell(0)).value is None


def test_worth_is_the_benefit_less_the_weighted_harm_and_what_caution_takes() -> None:
    effects = LinearEffects(np.array([[[0.4, 0.2]]]), np.array([[[[0.09]], [[0.16]]]]), np.ones(1)).effects(
        np.ones((1, 1))
    )
    worth = Worth(weight=0.5, caution=2.0)
    assert worth.of(effects.mean)[0, 0] == pytest.approx(0.3)
    assert worth.score(effects)[0, 0] == pytest.approx(0.3 - 2 * np.hypot(0.3, 0.5 * 0.4))


def test_contributions_are_what_effects_differ_by(users: Observed) -> None:
    model = learnt([users])[2].of_all
    assert isinstance(model, LinearEffects)
    mean, one = model.effects(model.centre[None]).mean[0], model.effects(users.contexts[:1]).mean[0]
    np.testing.assert_allclose(model.contributions(users.contexts[0]).sum(axis=1), one - mean)


def test_a_unit_of_a_number_changes_nothing(users: Observed) -> None:
    """Dollars or cents: what a number's coefficient costs goes with how much it varies."""
    gram, moment = users.contexts.T @ users.contexts, users.contexts.T @ users.values
    cents = np.array([1.0, 1.0, 1.0, 1.0, 100.0])
    one, other = (
        ridge_fit(gram, moment, 50.0),
        ridge_fit(gram * np.outer(cents, cents), moment * cents[:, None], 50.0),
    )
    np.testing.assert_allclose(one.coefficients, other.coefficients * cents[:, None], rtol=1e-8)
    with pytest.raises(InvalidInputError, match="rows are needed"):
        ridge_fit(np.zeros((2, 2)), np.zeros((2, 1)), 1.0)

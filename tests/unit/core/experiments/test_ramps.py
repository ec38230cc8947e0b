"""The example of Crook, Frasca, Kohavi and Longbotham (2009, section 2.4): a treatment that is better on both
of two days, at 1 % of users and then at 50 %, and worse if both are put together."""

import numpy as np
import pytest

from nightslate.core.experiments import (
    DailyShares,
    Moments,
    adaptive_difference,
    augmented_difference,
    augmented_scores,
    effect,
    value_of,
)
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected

TABLE = {  # of a day and variant (the control is 0): how many users convert, of how many; here of a tenth
    (0, 0): (2_000, 99_000),
    (0, 1): (23, 1_000),
    (1, 0): (500, 50_000),
    (1, 1): (600, 50_000),
}
SHARES = np.array([[0.99, 0.01], [0.5, 0.5]])
BY_DAY = 23 / 1_000 - 2_000 / 99_000, 600 / 50_000 - 500 / 50_000


@pytest.fixture(scope="module")
def effects():
    sizes = [size for _, size in TABLE.values()]
    day, variant = (np.repeat([cell[i] for cell in TABLE], sizes) for i in (0, 1))
    values = np.concatenate([np.repeat([1.0, 0.0], [some, of - some]) for some, of in TABLE.values()])
    fold = np.random.default_rng(0).integers(0, FOLDS, len(day))
    own, parts = SHARES[day, variant], np.stack([values, np.ones(len(day))], axis=1)
    plain, weighted = (
        Moments.initial((2,), 2).update(variant, each) for each in (parts, parts / own[:, None])
    )
    daily = Moments.initial((2, 2), 3).update(
        2 * day + variant, np.column_stack([parts, np.ones(len(day))]) / own[:, None]
    )
    shares, nothing = DailyShares.of(day, SHARES[day], 2), np.empty((len(day), 0))
    models = OutcomeModels.of(OutcomeSums.initial(2, 2, 0).update(day, fold, variant, own, nothing, parts))
    arms = [value_of(weighted.cell(place)) for place in (0, 1)]
    found = {
        "naive": effect(plain.cell(0), plain.cell(1), 0.95).difference,
        "weighted": effect(weighted.cell(0), weighted.cell(1), 0.95).difference,
        "days": adaptive_difference(daily, shares, 0, 1, 0.95),
    }
    of_day = models.sequential.reshape(-1, 2, 1, 2)
    for name, fits, cell, where, h in (
        ("aipw", models.crossfitted, fold, day * 0, np.ones(1)),
        ("adaptive", of_day, day * FOLDS + fold, day, shares.weights(0, 1)),
    ):
        scores = augmented_scores(expected(fits, cell, nothing), variant, own, parts).reshape(-1, 4)
        found[name] = augmented_difference(
            Moments.initial((len(h),), 4).update(where, scores), h, *arms, 0.95
        )
    return found


def test_put_together_the_treatment_seems_to_be_worse(effects):
    assert effects["naive"].effect == pytest.approx(623 / 51_000 - 2_500 / 149_000)
    assert effects["naive"].anytime_upper < 0


@pytest.mark.parametrize("method", ["weighted", "aipw"])
def test_weighted_it_is_better_as_on_both_days(effects, method):
    assert effects[method].effect == pytest.approx(sum(BY_DAY) / 2, rel=0.05)


@pytest.mark.parametrize("method", ["days", "adaptive"])
def test_of_days_by_what_they_tell_it_is_better_and_better_known(effects, method):
    h = (1 / SHARES).sum(axis=1) ** -0.5
    assert effects[method].effect == pytest.approx(np.average(BY_DAY, weights=h), rel=0.05)
    assert effects[method].lower > 0
    assert effects[method].stderr < 0.5 * effects["weighted"].stderr

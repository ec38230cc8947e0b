"""Whether an effect changes with time, beside Welch's test of differences within users and a bootstrap."""

import numpy as np
import pytest
from scipy import stats

from nightslate.core.experiments import Moments, novelty

USERS, FIRST, LATER = 3_000, 3.0, 11.0


def world(fades=0.3):
    """Zealous users do more on all of their days, and all users do less later."""
    rng = np.random.default_rng(11)
    variant, zeal = rng.integers(0, 2, USERS), rng.gamma(1.0, 1.0, USERS)
    first = rng.poisson(FIRST * (zeal + 0.5 + 0.4 * variant))
    later = rng.poisson(LATER * (0.5 * zeal + 0.5 + (0.4 - fades) * variant))
    return variant, first.astype(np.float64), later.astype(np.float64)


def compared(variant, *columns):
    values = np.stack([np.broadcast_to(column, variant.shape) for column in columns], axis=-1)
    state = Moments.initial((2,), 4).update(variant, values)
    return novelty(state.cell(0), state.cell(1), 0.95)


def test_a_mean_changes_as_differences_within_users_do():
    variant, first, later = world()
    found = compared(variant, later, LATER, first, FIRST)
    off = later / LATER - first / FIRST
    wanted = stats.ttest_ind(off[variant == 1], off[variant == 0], equal_var=False)
    ends = wanted.confidence_interval()
    told = found.change.difference
    np.testing.assert_allclose(
        (told.lower, told.upper, told.p), (ends.low, ends.high, wanted.pvalue), rtol=1e-9
    )
    assert told.anytime_upper < 0
    effects = found.later.difference.effect, found.first.difference.effect
    assert told.effect == pytest.approx(effects[0] - effects[1])
    assert effects == pytest.approx((0.1, 0.4), abs=0.1)
    assert found.change.mean == pytest.approx(off[variant == 1].mean())


def test_a_ratio_changes_as_a_bootstrap_of_users_says():
    variant, first, later = world()
    rng = np.random.default_rng(12)
    tiles = rng.poisson(4.0, (2, USERS)) + 1.0
    found = compared(variant, later, tiles[0], first, tiles[1]).change.difference

    def change(rows):
        mine = [rows[variant[rows] == v] for v in (0, 1)]
        old, new = (
            later[of].sum() / tiles[0][of].sum() - first[of].sum() / tiles[1][of].sum() for of in mine
        )
        return new - old

    replicates = [change(rng.integers(0, USERS, USERS)) for _ in range(1_000)]
    assert found.effect == pytest.approx(change(np.arange(USERS)))
    # a standard deviation of 1,000 replicates is known to 2.2 %
    assert found.stderr == pytest.approx(np.std(replicates), rel=0.08)


def test_what_hardly_anybody_does_at_first_has_no_interval_of_every_look():
    variant, first, later = world()
    rare = np.where(np.arange(USERS) < 60, first + 1, 0.0)
    found = compared(variant, later, LATER, rare, FIRST)
    assert found.later.difference.anytime_lower is not None
    assert found.first.difference.anytime_lower is None
    assert found.change.difference.anytime_lower is None
    assert found.change.difference.lower is not None

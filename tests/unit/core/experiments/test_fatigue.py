"""Responses to what was shown before, beside paired differences of users."""

import numpy as np
import pytest
from scipy import stats

from nightslate.core.experiments import Moments, responses
from nightslate.core.experiments.sequential import reach

USERS = 2_000


def told(again, showings, first):
    columns = np.stack(
        [np.broadcast_to(each, (USERS,)) for each in (again, showings, first, showings)], axis=-1
    )
    state = Moments.initial((1,), 4).update(np.zeros(USERS, dtype=np.int64), columns.astype(np.float64))
    return responses(state.cell(0), 0.95)


def test_a_change_is_that_within_the_same_users():
    rng = np.random.default_rng(41)
    zeal = rng.beta(1, 4, USERS)
    first, again = rng.random(USERS) < zeal, rng.random(USERS) < 0.6 * zeal
    found = told(again, 1.0, first)
    off = again.astype(float) - first
    assert (found.rate.value, found.first.value) == (again.mean(), first.mean())
    assert found.change.value == pytest.approx(off.mean())
    assert found.change.stderr == pytest.approx(stats.sem(off), rel=1e-9)
    assert found.change.upper == pytest.approx(off.mean() + reach(USERS, 0.05) * stats.sem(off), rel=1e-9)
    assert found.change.upper < 0


def test_a_user_with_many_showings_is_one_observation():
    rng = np.random.default_rng(42)
    showings = rng.integers(1, 9, USERS)
    again = rng.binomial(showings, 0.2)
    found = told(again, showings, np.zeros(USERS))
    off = (again - again.sum() / showings.sum() * showings) / showings.mean()
    assert found.rate.stderr == pytest.approx(off.std(ddof=1) / USERS**0.5, rel=1e-9)


def test_the_first_showing_is_no_change():
    rng = np.random.default_rng(43)
    first = rng.random(USERS) < 0.2
    found = told(first, 1.0, first)
    assert (found.change.value, found.change.stderr, found.change.lower) == (0.0, None, None)


def test_of_few_who_respond_nothing_is_known_at_every_look():
    found = told(np.arange(USERS) < 40, 1.0, np.zeros(USERS))
    assert found.rate.stderr is not None
    assert found.rate.lower is None

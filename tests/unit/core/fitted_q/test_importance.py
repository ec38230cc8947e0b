import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import ARMS, PLAIN

from nightslate.core.fitted_q import FittedQ, Transitions, importance

SLICES = {"loud": slice(1, 2), "soft": slice(2, 3), "silent": slice(3, 4), "parts": slice(4, 6)}
ROWS = 2000
STATES = np.column_stack([np.ones(ROWS), np.random.default_rng(0).normal(size=(ROWS, 5))])
COEFFICIENTS = np.array([0.0, 3.0, 1.0, 0.0, 1.5, -1.5])


def policy(coefficients=COEFFICIENTS):
    """Q is a sum of its features, the same for all arms."""
    ends = Transitions(
        states=STATES,
        actions=np.arange(ROWS) % ARMS,
        rewards=STATES @ coefficients,
        next_states=np.zeros_like(STATES),
        next_eligible=np.zeros((ROWS, ARMS), dtype=np.bool_),
        terminal=np.ones(ROWS, dtype=np.bool_),
    )
    return FittedQ("ridge", {"alpha": 1e-9}).fit(ends, PLAIN, seed=1)


def test_a_feature_weighs_as_much_as_q_moves_with_it():
    """Two draws of a normal number are 2 / sqrt(pi) standard deviations apart in the mean."""
    found = importance(policy(), STATES, SLICES, seed=4)
    assert list(found) == list(SLICES)
    of = np.array([3.0, 1.0, 0.0, np.hypot(1.5, 1.5)])
    expected = 2 / np.sqrt(np.pi) * of / np.linalg.norm(COEFFICIENTS)
    np.testing.assert_allclose(list(found.values()), expected, rtol=0.08, atol=1e-6)


def test_it_depends_on_the_seed_and_not_on_the_order_of_states_or_the_other_features():
    found = importance(policy(), STATES, SLICES, seed=4)
    again = importance(policy(), STATES[::-1], {"loud": SLICES["loud"]}, seed=4)
    assert again["loud"] == pytest.approx(found["loud"], rel=1e-12)
    assert importance(policy(), STATES, SLICES, seed=5)["loud"] != pytest.approx(found["loud"], rel=1e-9)


def test_where_q_is_the_same_everywhere_nothing_matters():
    assert set(importance(policy(np.zeros(6)), STATES, SLICES, seed=4).values()) == {0.0}
    assert set(importance(policy(), STATES[:0], SLICES, seed=4).values()) == {0.0}

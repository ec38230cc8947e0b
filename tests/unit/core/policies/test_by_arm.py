"""Weights of policies that choose among some arms in each row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nightslate.core.policies.by_arm import weights_among
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.linear_ucb import LinearUCBPolicy
from nightslate.core.policies.popularity import PopularityPolicy

ARMS, FEATURES = 4, 3
RANDOM = np.random.default_rng(5)
POLICY = LinearUCBPolicy(
    RANDOM.normal(size=(ARMS, FEATURES)),
    RANDOM.normal(size=(ARMS, FEATURES, FEATURES)),
    np.asarray(1.0),
    np.asarray(0.5),
)


@given(arrays(np.bool_, st.tuples(st.integers(0, 20), st.just(ARMS))))
def test_each_row_is_weighed_as_if_it_were_alone(eligible):
    contexts = RANDOM.normal(size=(len(eligible), FEATURES))

    def weights_of(rows, arms):
        return mix_floor(POLICY.among(arms).weights(contexts[rows]), 0.1)

    found = weights_among(eligible, weights_of)
    assert found.dtype == np.float32
    for row, arms in enumerate(map(np.flatnonzero, eligible)):
        assert (found[row] > 0).tolist() == eligible[row].tolist()
        if arms.size:
            alone = mix_floor(POLICY.among(arms).weights(contexts[[row]]), 0.1)[0]
            np.testing.assert_array_equal(found[row, arms], alone)
            assert found[row].sum() == pytest.approx(1, abs=1e-6)


def test_the_order_of_arms_is_that_of_their_places():
    policy = PopularityPolicy(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(policy.among(np.array([3, 1])).weights(np.ones((1, 1))), [[4 / 6, 2 / 6]])

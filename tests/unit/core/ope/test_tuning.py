import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.tuning import least_error


@pytest.mark.parametrize(
    ("values", "stderrs", "chosen"),
    [
        ([5.0], [1.0], 0),
        # no bias: the least variance
        ([1.0, 1.0, 1.0], [3.0, 2.0, 1.0], 2),
        # a bias of 1 for a variance of 2 less, and for one of a half less
        ([0.0, 1.0], [2.0, np.sqrt(2)], 1),
        ([0.0, 1.0], [2.0, np.sqrt(3.5)], 0),
        # the bias is to the first, not to the one before
        ([0.0, 1.0, 2.0], [1.5, 0.9, 0.8], 1),
        # equal ones: the least biased
        ([0.0, 3.0, 0.0], [5.0, 4.0, 5.0], 0),
    ],
)
def test_the_candidate_of_the_least_squared_bias_and_variance(values, stderrs, chosen):
    assert least_error(np.array(values), np.array(stderrs)) == chosen


def test_values_and_standard_errors_must_match():
    for values, stderrs in (([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])):
        with pytest.raises(InvalidInputError, match=r"must be \(J,\)"):
            least_error(np.array(values), np.array(stderrs))


def world(rewards_of_rare, seed=7):
    """Rows of weight 1/2, and one in 20 of weight 100, where the reward may be another one."""
    rows = 20_000
    generator = np.random.default_rng(seed)
    rare = np.arange(rows) % 20 == 0
    reward = generator.normal(np.where(rare, rewards_of_rare, 1.0), 0.1)
    sample = Sample(
        reward=reward,
        propensity=np.where(rare, 0.01, 1.0),
        target_propensity=np.where(rare, 1.0, 0.5),
        q_logged=np.ones(rows),
        v_target=np.ones(rows),
    )
    return sample, generator.integers(0, 2**63, rows).astype(np.uint64)


def chosen(name, rewards_of_rare, seed=7):
    sample, cluster = world(rewards_of_rare, seed)
    state = EvaluationState.initial(("p",), [name]).update([sample], cluster)
    return results(state)[0].tuning


def test_large_weights_are_kept_where_their_rewards_matter():
    for name in ("clipped_ips", "switch_dr", "dros"):
        tuning = chosen(name, 20.0)
        assert tuning is None or tuning >= 100


@pytest.mark.parametrize("name", ["switch_dr", "dros"])
def test_large_weights_are_mostly_dropped_where_they_only_cost_variance(name):
    """The estimated bias is noise, which is larger than the variance that it saves one time in three."""
    tunings = [chosen(name, 1.0, seed) for seed in range(12)]
    assert sum(tuning is not None for tuning in tunings) >= 7


def test_a_given_tuning_parameter_is_kept():
    sample, cluster = world(1.0)
    state = EvaluationState.initial(("p",), ["clipped_ips"], {"clipped_ips": 7.0}).update([sample], cluster)
    assert results(state)[0].tuning == 7.0
    assert results(state)[0].value == pytest.approx((np.minimum(sample.weight, 7) * sample.reward).mean())

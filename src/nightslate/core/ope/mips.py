"""Marginalised inverse propensity scoring (Saito and Joachims, 2022): the mean of w(e) r, where w(e) compares
how often the two policies show any arm with the features e. Its weights vary less than those of single arms;
it is unbiased where the reward depends on the arm through its features only."""

import numpy as np

from nightslate.core.arrays import Floats, Ints, finite, indices
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.estimator import Estimator, Pair, mean_of_weighted
from nightslate.core.ope.sample import Sample, known


def _weighed(sample: Sample) -> Pair:
    weight = known(sample.target_marginal_propensity) / known(sample.marginal_propensity)
    return weight * sample.reward, weight


def _terms(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((_weighed(sample)[0], np.ones(sample.n)),)


MIPS = Estimator(
    "mips",
    _terms,
    mean_of_weighted,
    frozenset({"marginal_propensity", "target_marginal_propensity"}),
    weighing=_weighed,
)


def marginal_over_features(propensities: Floats, arm_features: Floats, arms: Ints) -> Floats:
    """(n,) the probability of any arm with the same features as the one shown.

    propensities (n, A) of all arms, arm_features (A, k), arms (n,) the places of the arms that were
    shown."""
    if len(arm_features) != propensities.shape[1]:
        raise InvalidInputError(
            f"{propensities.shape[1]} arms need as many rows of features, got {len(arm_features)}"
        )
    finite("arm_features", arm_features, arm_features.shape)
    arms = indices("arms", arms, propensities.shape[:1], propensities.shape[1])
    _, group = np.unique(arm_features, axis=0, return_inverse=True)
    alike = group[:, None] == np.arange(group.max(initial=-1) + 1)[None, :]
    marginal = (propensities @ alike)[np.arange(len(arms)), group[arms]]
    return np.asarray(np.minimum(marginal, 1.0))  # a sum that should be 1 may round to more

"""The pseudo-inverse estimator of slates (Swaminathan, Krishnamurthy, Agarwal, Dudik, Langford, Jose and
Zitouni, 2017): the mean of w R, R the reward of the whole decision and w = q' G+ s, where s (slots x arms)
marks what was shown, G = E[s s'] is the second-moment matrix of the logging policy in that context, and
q = E[s] under the target. Unbiased if a slate's expected reward is a sum over slots of what each arm adds
there, and if G's range holds q."""

import numpy as np

from nightslate.core.arrays import Floats, Ints, indices
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.estimator import Estimator, Limits, Pair
from nightslate.core.ope.sample import known
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.statistic import Span


def _terms(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((known(sample.pseudo_inverse_weight) * sample.total, np.ones(sample.n)),)


def _spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    """These weights may be negative."""
    most = limits.max_weight * limits.slots * max(abs(limits.low), abs(limits.high))
    return (Span(-most, most),)


PSEUDO_INVERSE = Estimator("pseudo_inverse", _terms, _spans, frozenset({"pseudo_inverse_weight"}))


def pseudo_inverse_weights(second_moments: Floats, target_marginals: Floats, shown: Ints) -> Floats:
    """(n,) the weights q' G+ s.

    second_moments (n, K A, K A): G, place k A + a for arm a in slot k + 1, as `plackett_luce.second_moments`
    gives it. target_marginals (n, K, A): the target's probability of each arm in each slot. shown (n, K): the
    places of the arms that were shown."""
    n, slots, arms = target_marginals.shape
    if second_moments.shape != (n, slots * arms, slots * arms):
        raise InvalidInputError(
            f"{n} decisions of {slots} slots and {arms} arms need second moments of shape "
            f"{(n, slots * arms, slots * arms)}, got {second_moments.shape}"
        )
    shown = indices("shown", shown, (n, slots), arms)
    marked = np.zeros((n, slots, arms))
    np.put_along_axis(marked, shown[:, :, None], 1.0, axis=2)
    inverse = np.linalg.pinv(second_moments, rcond=1e-10, hermitian=True)
    sides = target_marginals.reshape(n, 1, -1), marked.reshape(n, -1, 1)
    return np.asarray((sides[0] @ inverse @ sides[1])[:, 0, 0])


def weights_of_independent_slots(marginal_propensity: Floats, target_marginal_propensity: Floats) -> Floats:
    """(n,) q' G+ s in closed form where the logging policy fills the slots independently of one another (or
    has one slot): 1 plus the sum over slots of target / propensity - 1. Both are (n, K), of the arms that
    were shown."""
    return np.asarray(1 + (target_marginal_propensity / marginal_propensity - 1).sum(axis=1))


def weights_of_uniform_rankings(target_exposure: Floats, shown: Ints) -> Floats:
    """(n,) q' G+ s in closed form where the logging policy ranks K of A > K arms uniformly at random.

    target_exposure (n, K, A): the target's probability of each arm in each slot; shown (n, K). On what sums
    to 0 over arms, G is (I - 11'/A) / (A - 1) between slots, and its inverse (A - 1) (I + 11' / (A - K));
    the constant part adds 1."""
    n, slots, arms = target_exposure.shape
    if arms <= slots:
        raise InvalidInputError(f"{slots} slots of {arms} arms leave no arm out; give the second moments")
    shown = indices("shown", shown, (n, slots), arms)
    own = np.take_along_axis(target_exposure, shown[:, :, None], axis=2)[:, :, 0] - 1 / arms
    anywhere = np.take_along_axis(target_exposure.sum(axis=1), shown, axis=1) - slots / arms
    return np.asarray(1 + (arms - 1) * (own.sum(axis=1) + anywhere.sum(axis=1) / (arms - slots)))

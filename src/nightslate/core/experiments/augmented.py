"""The effect of a variant by augmented scores: whatever the probabilities of users were, if they were known.

Of a user with features x who was in variant w with probability e[w] the score of variant v is

    m[v](x) + 1{w = v} (y - m[v](x)) / e[v]

(augmented inverse probability weighting: Robins, Rotnitzky and Zhao, 1994), with m[v] a model that was not
fitted to this user (cross-fitting: Chernozhukov and others, 2018). Its expectation is what the user would
count for in v, whatever the model, and the better this is the less scores vary. The mean over users is the
effect; where probabilities follow what was seen before, days are weighted so that no day's variance takes
over, h[t] = (the mean of 1 / e[v] + 1 / e[control] over the day's users) ** -0.5, and models know nothing but
earlier days and other users of the same day (Hadad, Hirshberg, Zhan, Wager and Athey, 2021; with contexts:
Zhan, Hadad, Hirshberg and Athey, 2021, of whose weights these are the ones that are the same for all
contexts of a day). Then users' scores less their expectations are a martingale, of which the intervals
that hold at every look are made (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments.effect import Difference, difference_of, welch_freedom
from nightslate.core.experiments.metric import FEWEST, Value
from nightslate.core.experiments.moments import Moments


def augmented_scores(expected: Floats, variant: Ints, probability: Floats, parts: Floats) -> Floats:
    """(u, k, 2) those of the numerator and of the denominator (u, 2) of a metric, of users' variants and the
    probabilities of these, both (u,). expected (u, k, 2): see `outcome_model.expected`."""
    scores, rows = expected.copy(), np.arange(len(variant))
    scores[rows, variant] += (parts - expected[rows, variant]) / probability[:, None]
    return scores


def augmented_difference(
    scores: Moments, h: Floats, control: Value, treatment: Value, confidence: float
) -> Difference:
    """The treatment less the control. scores: of all users who could be in either, of cells (T,) such as
    days, whose users weigh h (T,): the numerator and the denominator of the control, then those of the
    treatment; a metric is the ratio of its sums. control, treatment: the same users by weights alone."""
    found, n = _Contrast.of(scores, h), [control.n, treatment.n]
    if found is None or not found.varies or min(n) < FEWEST:
        return Difference(None if found is None else found.value)
    effective = [control.effective, treatment.effective]
    freedom = welch_freedom(found.own, n)
    return difference_of(found.value, found.variance, freedom, n, effective, confidence)


def policy_difference(scores: Moments, users: Value, confidence: float) -> Difference:
    """What users would count for under one policy less that under another, of scores as above of one cell
    (1,): those of a policy are the sum of the variants' scores, each times the probability that the policy
    gives it. users: the same by weights alone, of all variants together."""
    found = _Contrast.of(scores, np.ones(1))
    if found is None or not found.variance:
        return Difference(None if found is None else found.value)
    n, effective = [users.n], [users.effective]
    if users.n < FEWEST:
        return Difference(found.value)
    return difference_of(found.value, found.variance, users.n - 1, n, effective, confidence)


@dataclass(frozen=True)
class _Contrast:
    """The second ratio less the first, its variance, and those of both."""

    value: float
    variance: float
    own: list[float]

    @property
    def varies(self) -> bool:
        """Whether both do."""
        return all(self.own)

    @classmethod
    def of(cls, scores: Moments, h: Floats) -> Self | None:
        """None where a denominator is 0."""
        sums = scores.n[:, None] * scores.mean
        total, weighed = float(h @ scores.n), h @ sums
        if not total or not weighed[1] or not weighed[3]:
            return None
        ratios = weighed[[0, 2]] / weighed[[1, 3]]
        linear = np.zeros((2, 4))
        for arm, (ratio, denominator) in enumerate(zip(ratios, weighed[[1, 3]], strict=True)):
            linear[arm, 2 * arm : 2 * arm + 2] = np.array([1.0, -ratio]) * total / denominator
        variance = _variance(scores, sums, h, linear[1] - linear[0])
        own = [_variance(scores, sums, h, factors) for factors in linear]
        return cls(float(ratios[1] - ratios[0]), variance, own)


def _variance(scores: Moments, sums: Floats, h: Floats, factors: Floats) -> float:
    """That of the weighted mean of a linear combination of scores whose weighted sum is 0; 0 where users of
    no day differ in it."""
    within = scores.squares(factors)
    if not within[h > 0].any():
        return 0.0
    between = (sums @ factors) ** 2 / np.maximum(scores.n, 1)
    return float(h**2 @ (within + between)) / float(h @ scores.n) ** 2

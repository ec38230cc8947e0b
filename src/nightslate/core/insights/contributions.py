"""Why an arm is the top one for somebody: by how much each feature moves it ahead of the other arms, beside
somebody average (Shapley values of a linear model; Štrumbelj and Kononenko, 2014)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Bools, Floats


@dataclass(frozen=True, eq=False)
class Contributions:
    """top: the place of the arm; lead: how far its score is above the mean of all arms that could be shown;
    by_itself: how far that would be for somebody average; of_features (f,): what each adds to that."""

    top: int
    lead: float
    by_itself: float
    of_features: Floats


def contributions(
    coefficients: Floats, context: Floats, average: Floats, eligible: Bools, features: Sequence[slice]
) -> Contributions:
    """Of coefficients (A, d), for a context (d,) beside an average one (d,). eligible (A,): the arms that
    could be shown; features: the places of each. What features add and `by_itself` sum to the lead."""
    scores = np.where(eligible, coefficients @ context, -np.inf)
    top = int(scores.argmax())
    ahead = coefficients[top] - coefficients[eligible].mean(axis=0)
    moved = ahead * (context - average)
    of_features = np.array([moved[at].sum() for at in features])
    return Contributions(top, float(ahead @ context), float(ahead @ average), of_features)

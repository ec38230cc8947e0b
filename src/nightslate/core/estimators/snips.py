"""Self-normalised inverse propensity scoring (Swaminathan and Joachims, 2015): the sum of w r over the sum of
w. Slightly biased, of less variance, and moves with the rewards when a constant is added to them all."""

from nightslate.core.arrays import Floats
from nightslate.core.estimators.sample import Sample


def terms(sample: Sample) -> tuple[Floats, Floats]:
    """Numerator and denominator of each row, (n,) and (n,)."""
    return sample.weight * sample.reward, sample.weight

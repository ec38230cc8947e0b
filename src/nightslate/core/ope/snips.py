"""Self-normalised inverse propensity scoring (Swaminathan and Joachims, 2015): the sum of w r over the sum of
w. Slightly biased, of less variance, and moves with the rewards when a constant is added to them all."""

from nightslate.core.ope.estimator import Estimator, Pair, ratio_of_weighted
from nightslate.core.ope.ips import weighed
from nightslate.core.ope.sample import Sample


def _terms(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return (weighed(sample),)


SNIPS = Estimator("snips", _terms, ratio_of_weighted, counts=False, weighing=weighed)

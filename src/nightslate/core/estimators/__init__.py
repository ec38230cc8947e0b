"""Off-policy estimators, one file each, by the name that evaluations carry.

An estimator is a ratio of sums: `terms(sample)` gives each row's part of the numerator and of the
denominator, so batches, partitions and bootstrap replicates all come down to adding."""

from collections.abc import Callable

from nightslate.core.arrays import Floats
from nightslate.core.estimators import dr, ips, snips
from nightslate.core.estimators.sample import Sample

Terms = Callable[[Sample], tuple[Floats, Floats]]

ESTIMATORS: dict[str, Terms] = {"ips": ips.terms, "snips": snips.terms, "dr": dr.terms}

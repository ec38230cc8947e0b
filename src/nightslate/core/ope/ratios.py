"""Which ratios of sums estimators come down to: their pairs, at each candidate for a tuning parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.estimator import Pair, Weighing
from nightslate.core.ope.sample import Logged

Tunings = Mapping[str, tuple[float, ...]]
"""Estimators with the candidates for their tuning parameters."""


@dataclass(frozen=True)
class Ratio:
    """One pair of an estimator at a tuning parameter."""

    estimator: str
    tuning: float
    pair: int


def candidate_tunings(estimators: Sequence[str], fixed: Mapping[str, float]) -> Tunings:
    """Those of these estimators, in their order; of one that is `fixed`, that alone. Raises InvalidInputError
    for unknown and repeated estimators."""
    unknown = {*estimators, *fixed} - ESTIMATORS.keys()
    if unknown or not estimators or len(set(estimators)) < len(estimators):
        raise InvalidInputError(
            f"estimators must be distinct and of {', '.join(ESTIMATORS)}; got {', '.join(estimators)}"
        )
    return {name: (fixed[name],) if name in fixed else ESTIMATORS[name].tunings for name in estimators}


def ratios_of(tunings: Tunings, slots: int) -> tuple[Ratio, ...]:
    """All of them, for units of so many slots."""
    return tuple(
        Ratio(name, tuning, pair)
        for name, candidates in tunings.items()
        for tuning in candidates
        for pair in range(ESTIMATORS[name].pairs(slots))
    )


def pairs_of(tunings: Tunings, sample: Logged) -> Iterator[Pair]:
    """The numerators and denominators of a sample's units, in the order of `ratios_of`."""
    for name, candidates in tunings.items():
        for tuning in candidates:
            yield from ESTIMATORS[name].terms(sample, tuning)


def weighings_of(estimators: Iterable[str]) -> tuple[Weighing, ...]:
    """The weighings that these estimators have, each once."""
    found = (ESTIMATORS[name].weighing for name in estimators)
    return tuple(dict.fromkeys(weighing for weighing in found if weighing))

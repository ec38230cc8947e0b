"""Whether importance weights carry enough evidence for any estimate that rests on them."""

import math
from dataclasses import dataclass

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.estimate import Estimate

_ROUNDING = 1e-6
"""How far propensities that were kept as float32 may take a mean weight of 1."""

_REACH = 2.0


@dataclass(frozen=True)
class Thresholds:
    """What weights must show before an estimate is believed.

    min_ess, min_clusters: the least effective sample size and number of clusters (users).
    max_unsupported_share: the most of the target's probability on arms that the logs could not show.
    max_weight_share: the most of all weight that one unit may have."""

    min_ess: float = 100.0
    min_clusters: int = 30
    max_unsupported_share: float = 0.01
    max_weight_share: float = 0.05

    def __post_init__(self) -> None:
        shares = (self.max_unsupported_share, self.max_weight_share)
        if not (self.min_ess >= 0 and self.min_clusters >= 2 and all(0 <= share <= 1 for share in shares)):
            raise InvalidInputError(
                "thresholds need min_ess >= 0, min_clusters >= 2 and shares in [0, 1], got "
                f"{self.min_ess}, {self.min_clusters}, {self.max_unsupported_share} and "
                f"{self.max_weight_share}"
            )


def weaknesses(estimate: Estimate, thresholds: Thresholds, *, support_is_known: bool) -> tuple[str, ...]:
    """Why the weights of the estimate's policy are too little to go by: one sentence for each check that
    fails, with its numbers.

    support_is_known: the log says how much of the target is on arms that it could not show. Where it does
    not, what the mean weight lacks of 1 stands for that share, and the interval of the mean weight judges
    both."""
    found = (
        _few_clusters(estimate, thresholds),
        _few_effective(estimate, thresholds),
        _unsupported(estimate, thresholds) if support_is_known else None,
        _mean_is_not_1(estimate),
        _dominated(estimate, thresholds),
    )
    return tuple(weakness for weakness in found if weakness)


def _few_clusters(estimate: Estimate, thresholds: Thresholds) -> str | None:
    if estimate.clusters >= thresholds.min_clusters:
        return None
    return f"{estimate.clusters} clusters are fewer than {thresholds.min_clusters}"


def _few_effective(estimate: Estimate, thresholds: Thresholds) -> str | None:
    if estimate.ess is not None and estimate.ess >= thresholds.min_ess:
        return None
    reason = f"the effective sample size {_number(estimate.ess)} is under {thresholds.min_ess:.6g}"
    if estimate.ess is None or not estimate.ess > 0 or not estimate.n:
        return reason
    more = needed(estimate.n, estimate.ess, thresholds.min_ess)
    return f"{reason}: with such weights it would take about {more:,} instead of {estimate.n:,}"


def needed(n: int, ess: float, wanted: float) -> int:
    """How many units give so many effective ones, if n give `ess`; to two digits."""
    units = n * wanted / ess
    place = int(10 ** max(0, math.floor(math.log10(units)) - 1))
    return math.ceil(units / place) * place


def _unsupported(estimate: Estimate, thresholds: Thresholds) -> str | None:
    share, most = estimate.unsupported_share, thresholds.max_unsupported_share
    if share is not None and share <= most:
        return None
    return f"the share of the target that the logs could not show, {_number(share)}, is over {most:.6g}"


def near_1(mean: float | None, lower: float | None, upper: float | None) -> bool | None:
    """Whether a mean importance weight may be 1: within twice the reach of its interval. One healthy log in
    twenty misses an interval of 95 %, one in ten thousand twice that. None where there is no interval."""
    if mean is None or lower is None or upper is None:
        return None
    low, high = mean - _REACH * (mean - lower), mean + _REACH * (upper - mean)
    return low - _ROUNDING <= 1 <= high + _ROUNDING


def _mean_is_not_1(estimate: Estimate) -> str | None:
    lower, upper = estimate.mean_weight_lower, estimate.mean_weight_upper
    if near_1(estimate.mean_weight, lower, upper):
        return None
    interval = f"{_number(lower)} to {_number(upper)}"
    return f"the mean importance weight, {_number(estimate.mean_weight)} ({interval}), is not near 1"


def _dominated(estimate: Estimate, thresholds: Thresholds) -> str | None:
    share = largest_share(estimate)
    if share is None or share <= thresholds.max_weight_share:
        return None
    return (
        f"one weight, {_number(estimate.max_weight)}, is {share:.3g} of all weight, over "
        f"{thresholds.max_weight_share:.6g}"
    )


def largest_share(estimate: Estimate) -> float | None:
    """The share of the largest weight in the sum of all; None where there is none."""
    if estimate.max_weight is None or not estimate.mean_weight or not estimate.n:
        return None
    share = estimate.max_weight / (estimate.n * estimate.mean_weight)
    return share if math.isfinite(share) else None


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"

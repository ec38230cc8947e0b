"""Features as of a moment: aggregations of what a user did in a window before it, as far as it was known."""

from nightslate.core.features.aggregations import (
    count,
    distinct,
    last,
    least,
    mean,
    most,
    quantile,
    sessions,
    time_between,
    time_since_first,
    time_since_last,
    total,
)
from nightslate.core.features.events import SECOND, Events, Merged, Moments, Windows
from nightslate.core.features.pooled import Pooled
from nightslate.core.features.stability import MOVED, STABLE, population_stability, tenths

__all__ = [
    "MOVED",
    "SECOND",
    "STABLE",
    "Events",
    "Merged",
    "Moments",
    "Pooled",
    "Windows",
    "count",
    "distinct",
    "last",
    "least",
    "mean",
    "most",
    "population_stability",
    "quantile",
    "sessions",
    "tenths",
    "time_between",
    "time_since_first",
    "time_since_last",
    "total",
]

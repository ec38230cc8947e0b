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
    time_since_last,
    total,
)
from nightslate.core.features.events import SECOND, Events, Moments, Windows

__all__ = [
    "SECOND",
    "Events",
    "Moments",
    "Windows",
    "count",
    "distinct",
    "last",
    "least",
    "mean",
    "most",
    "quantile",
    "sessions",
    "time_between",
    "time_since_last",
    "total",
]

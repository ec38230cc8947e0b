"""Allocations that follow the context while an experiment runs."""

from nightslate.core.allocation.shares import Limits, contextual_shares, ruled_shares, within_step
from nightslate.core.allocation.transitions import (
    NEW,
    anew_probabilities,
    daily_draws,
    drawn,
    first_draws,
    sticky_probabilities,
)

__all__ = [
    "NEW",
    "Limits",
    "anew_probabilities",
    "contextual_shares",
    "daily_draws",
    "drawn",
    "first_draws",
    "ruled_shares",
    "sticky_probabilities",
    "within_step",
]

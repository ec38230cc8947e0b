"""Allocations that follow the context while an experiment runs."""

from nightslate.core.allocation.shares import Limits, contextual_shares, ruled_shares, within_step

__all__ = [
    "Limits",
    "contextual_shares",
    "ruled_shares",
    "within_step",
]

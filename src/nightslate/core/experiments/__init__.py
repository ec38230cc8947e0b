"""Experiments: who is in which variant, and with which probability."""

from nightslate.core.experiments.allocation import Segment, allocated, reallocated, segment_of, shares_of

__all__ = ["Segment", "allocated", "reallocated", "segment_of", "shares_of"]

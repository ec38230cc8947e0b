"""Experiments: who is in which variant and with which probability, and what a variant was worth.

A readout is made of sums over users that merge (`Moments`, `SampleRatio`): the effect of a variant with an
interval for one look and one that holds at every look (`effect`), whether users are missing (`SampleRatio`),
and what to do (`decision`)."""

from nightslate.core.experiments.allocation import Segment, allocated, reallocated, segment_of, shares_of
from nightslate.core.experiments.decision import Decision, Guardrail, decision
from nightslate.core.experiments.effect import Difference, Effect, Relative, effect
from nightslate.core.experiments.metric import value_of
from nightslate.core.experiments.moments import Moments
from nightslate.core.experiments.multiplicity import e_bh, holm
from nightslate.core.experiments.sample_ratio import SampleRatio

__all__ = [
    "Decision",
    "Difference",
    "Effect",
    "Guardrail",
    "Moments",
    "Relative",
    "SampleRatio",
    "Segment",
    "allocated",
    "decision",
    "e_bh",
    "effect",
    "holm",
    "reallocated",
    "segment_of",
    "shares_of",
    "value_of",
]

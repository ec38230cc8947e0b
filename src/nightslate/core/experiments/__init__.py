"""Experiments: who is in which variant and with which probability, and what a variant was worth.

A readout is made of sums over users that merge (`Moments`, `SampleRatio`): the effect of a variant with an
interval for one look and one that holds at every look (`effect`), whether users are missing (`SampleRatio`),
and what to do (`decision`)."""

from nightslate.core.experiments.adaptive import DailyShares, adaptive_difference
from nightslate.core.experiments.allocation import Segment, allocated, reallocated, segment_of, shares_of
from nightslate.core.experiments.augmented import augmented_difference, augmented_scores, policy_difference
from nightslate.core.experiments.decision import Decision, Guardrail, decision
from nightslate.core.experiments.effect import Difference, Effect, Relative, effect
from nightslate.core.experiments.fatigue import Responses, responses
from nightslate.core.experiments.heterogeneity import interaction_p_value
from nightslate.core.experiments.metric import value_of
from nightslate.core.experiments.mismatch import Mismatch, anytime_p_value, located, log_evidence
from nightslate.core.experiments.moments import Moments
from nightslate.core.experiments.multiplicity import Together, e_bh, holm, together
from nightslate.core.experiments.novelty import Novelty, novelty
from nightslate.core.experiments.sample_ratio import SampleRatio

__all__ = [
    "DailyShares",
    "Decision",
    "Difference",
    "Effect",
    "Guardrail",
    "Mismatch",
    "Moments",
    "Novelty",
    "Relative",
    "Responses",
    "SampleRatio",
    "Segment",
    "Together",
    "adaptive_difference",
    "allocated",
    "anytime_p_value",
    "augmented_difference",
    "augmented_scores",
    "decision",
    "e_bh",
    "effect",
    "holm",
    "interaction_p_value",
    "located",
    "log_evidence",
    "novelty",
    "policy_difference",
    "reallocated",
    "responses",
    "segment_of",
    "shares_of",
    "together",
    "value_of",
]

"""Allocations that follow the context while an experiment runs."""

from nightslate.core.allocation.exclusive import NO_PART, Layer, Part, share_of
from nightslate.core.allocation.ramp import ZERO, Ramp, RampState, RampStep, advanced, ramp_in_words, share_at
from nightslate.core.allocation.score import (
    BinsOfEffects,
    EffectCalibration,
    calibration,
    contextual_score,
    equal_edges,
)
from nightslate.core.allocation.shares import Limits, contextual_shares, ruled_shares, within_step
from nightslate.core.allocation.signals import (
    NO_EFFECT,
    Signal,
    SignalEffect,
    SignalRule,
    active,
    effect_of_signals,
    shares_under,
)
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
    "NO_EFFECT",
    "NO_PART",
    "ZERO",
    "BinsOfEffects",
    "EffectCalibration",
    "Layer",
    "Limits",
    "Part",
    "Ramp",
    "RampState",
    "RampStep",
    "Signal",
    "SignalEffect",
    "SignalRule",
    "active",
    "advanced",
    "anew_probabilities",
    "calibration",
    "contextual_score",
    "contextual_shares",
    "daily_draws",
    "drawn",
    "effect_of_signals",
    "equal_edges",
    "first_draws",
    "ramp_in_words",
    "ruled_shares",
    "share_at",
    "share_of",
    "shares_under",
    "sticky_probabilities",
    "within_step",
]

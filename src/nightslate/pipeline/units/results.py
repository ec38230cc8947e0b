"""What an issue learns, be it from single decisions or from sequences of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.policies.learner import Policy
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.progressive import Cohorts, Found

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Trained:
    """Policies by learner and how many rows each was fitted to; what a context is to them; the least and the
    most that an impression, or a trajectory, of them has earned, None where there was none. metrics: for
    MLflow, and curves: the same by iteration; words: for the line that a person reads; tables: what else the
    night writes, by table."""

    encoder: Encoder
    policies: Mapping[str, tuple[Policy, int]]
    reward_range: tuple[float | None, float | None]
    metrics: Mapping[str, float]
    words: str
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluated:
    """The sums of all policies, cross-fitted by user; and what the cohorts say. units: what they are of;
    rewards: what one reward can be, where that is known; tables: what else the night writes, by table."""

    cross_fitted: EvaluationState
    cohorts: Cohorts
    progressive: Found
    units: str
    rewards: RewardRange | None
    metrics: Mapping[str, float]
    words: str = ""
    tables: Mapping[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlsFound:
    """The sums of the champion alone, then of each control beside it. rewards: what one reward can be, where
    that is known."""

    states: Sequence[EvaluationState]
    rewards: RewardRange | None

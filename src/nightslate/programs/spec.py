"""A program: one use case, declared once in a YAML file. All that a night needs to know."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from nightslate.programs.evaluation import (
    BIASED,
    OF_DECISIONS,
    OF_IMPRESSIONS,
    OF_TRAJECTORIES,
    Evaluation,
    Gate,
    require_known_rewards,
)
from nightslate.programs.examination import Examination, require_randomised
from nightslate.programs.learners import LearnerSpec
from nightslate.programs.logs import Logs, require_crossing
from nightslate.programs.plan import Step, plan
from nightslate.programs.rewards import Rewards, require_matured, require_topic
from nightslate.programs.sequence import Sequence, require_sequence
from nightslate.programs.slates import Diversity, ExposureGoal, require_consistent
from nightslate.programs.strict import FIRST_DAY, LAST_DAY, Days, Name, Share, Strict, Text

MARGINAL_SLOTS = 3
"""Marginal propensities of a Plackett-Luce policy are computed exactly up to this slot."""


class Training(Strict):
    window_days: Days = 28


class Variant(Strict):
    """A branch of the experiment: a share of the users, and the policy (or `champion`) they are scored by."""

    share: Share
    policy: Name


_RESERVED = {"champion": "whichever learner was promoted last", "logged": "the policy that wrote the logs"}


class Program(Strict):
    """The whole of `dags/NAME.yaml`."""

    program: Name
    description: Text
    owner: Text = "nightslate"
    start_date: date = Field(ge=FIRST_DAY, le=LAST_DAY)
    slots: int = Field(ge=1, le=100)
    depth: int = Field(ge=1, le=1000, description="arms in a published ranking; slates are cut from it")
    buckets: int = Field(default=8, ge=1, le=4096, description="user buckets of the tables; fixed for ever")
    logs: Logs
    rewards: Rewards
    sequence: Sequence | None = None
    training: Training = Training()
    learners: dict[Name, LearnerSpec] = Field(min_length=1, max_length=100)
    floor: float = Field(gt=0, le=1, description="share of every policy's weight spread over all arms")
    variants: dict[Name, Variant] = Field(min_length=1, max_length=100)
    exposure: Annotated[tuple[ExposureGoal, ...], Field(strict=False)] = ()
    exposure_tolerance: float = Field(default=0.001, gt=0, lt=1)
    priority: Name | None = None
    diversity: Diversity | None = None
    examination: Examination | None = None
    evaluation: Evaluation = Evaluation()
    gate: Gate

    @model_validator(mode="after")
    def _is_consistent(self) -> Program:
        known = {*self.learners, "champion"}
        for reserved, meaning in _RESERVED.items():
            if reserved in self.learners:
                raise ValueError(f"learners: {reserved!r} is the word for {meaning}")
        if self.gate.first_champion not in self.learners:
            raise ValueError(f"gate.first_champion: {self.gate.first_champion!r} is not one of the learners")
        for name, variant in self.variants.items():
            if variant.policy not in known:
                raise ValueError(f"variants.{name}.policy: {variant.policy!r} is not one of {sorted(known)}")
        if abs(sum(v.share for v in self.variants.values()) - 1) > 1e-9:
            raise ValueError("variants: the shares must sum to 1")
        if self.depth < self.slots:
            raise ValueError(f"depth: a ranking of {self.depth} can't fill {self.slots} slots")
        if self.logs.propensity == "marginal" and self.slots > MARGINAL_SLOTS:
            raise ValueError(
                f"logs.propensity: marginal propensities are exact up to slot {MARGINAL_SLOTS}, not"
                f" {self.slots}; use conditional propensities instead"
            )
        require_sequence(self)
        self._require_fitting_estimators()
        require_consistent(self)
        require_randomised(self)
        require_topic(self)
        require_matured(self)
        require_known_rewards(self)
        require_crossing(self)
        return self

    def _require_fitting_estimators(self) -> None:
        what, fitting = "single impressions", OF_IMPRESSIONS
        if self.weighs_decisions:
            what, fitting = "decisions of several slots", OF_DECISIONS
        if self.sequence:
            what, fitting = "trajectories", OF_TRAJECTORIES
        unfit = set(self.estimators) - set(fitting)
        if unfit:
            raise ValueError(
                f"evaluation.estimators: {sorted(unfit)} can't weigh {what}; choose from {list(fitting)}"
            )
        if self.judged_by in BIASED:
            raise ValueError(
                f"gate.estimator: {self.judged_by} has a bias that its standard error does not hold"
            )
        if self.judged_by not in self.estimators:
            raise ValueError(f"gate.estimator: {self.judged_by!r} is not one of {list(self.estimators)}")

    @property
    def plan(self) -> tuple[Step, ...]:
        """The steps of its nights, in order."""
        return plan(of_sequences=self.sequence is not None)

    @property
    def steered(self) -> tuple[str, ...]:
        """The variants with goals, priority and diversity: all whose policy is not a uniform learner."""
        randomised = {name for name, learner in self.learners.items() if learner.kind == "uniform"}
        return tuple(name for name, variant in self.variants.items() if variant.policy not in randomised)

    @property
    def tilts_slates(self) -> bool:
        """Whether goals, priority or diversity make the weights of slates others than those of models."""
        return bool(self.exposure or self.priority or self.diversity)

    @property
    def weighs_decisions(self) -> bool:
        """Whether a decision is evaluated as a whole: its slots are several, and their propensities depend
        on one another. Otherwise each impression stands alone."""
        return self.logs.propensity == "conditional" and self.slots > 1

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those that the program names, or the usual ones."""
        usual: tuple[str, ...] = ("ips", "snips", "dr")
        if self.weighs_decisions:
            usual = ("sips", "rips", "snrips", "cascade_dr")
        if self.sequence:
            usual = ("pdis", "snpdis", "traj_dr")
        return self.evaluation.estimators or usual

    @property
    def judged_by(self) -> str:
        """The estimator that the gate believes."""
        return self.gate.estimator or self._doubly_robust

    @property
    def _doubly_robust(self) -> str:
        if self.sequence:
            return "traj_dr"
        return "cascade_dr" if self.weighs_decisions else "dr"

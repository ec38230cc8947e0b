"""An issue: one decision problem of a program, with its own arms, rewards, learners and gate."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from nightslate.programs.allocable import require_allocable
from nightslate.programs.allocation import Allocation
from nightslate.programs.conditions import Condition, columns_of, concern_of
from nightslate.programs.contexts import context_of, known_of_users
from nightslate.programs.controls import require_telling
from nightslate.programs.detectors import Detectors, risks_of
from nightslate.programs.evaluation import BIASED, Evaluation, Gate, require_known_rewards
from nightslate.programs.examination import Examination, require_randomised
from nightslate.programs.features import FeatureSpecs, of_users
from nightslate.programs.insights import Insights, require_rewards_as_shown
from nightslate.programs.keyed_features import keyed_of
from nightslate.programs.learners import EpsilonRange, LearnerSpec, require_known, require_learners_of_losses
from nightslate.programs.logs import Feature, Logs, require_crossing
from nightslate.programs.measurable import (
    require_comparable,
    require_former,
    require_measurable,
    require_priority,
    require_responses,
    require_sums_over_days,
)
from nightslate.programs.rewards import Rewards, require_matured, require_topic
from nightslate.programs.rules import require_answerable_rules
from nightslate.programs.sequence import Sequence, require_fitting_learners, require_trajectories
from nightslate.programs.slates import SlateGoals, require_consistent
from nightslate.programs.strict import Days, Name, Strict, Text
from nightslate.programs.units import DECISION, IMPRESSION, TRAJECTORY, Unit
from nightslate.programs.uplift import Uplift, require_baseline
from nightslate.programs.variants import EXTERNAL, Experiment, Variant, require_some_of_ours

MARGINAL_SLOTS = 3
"""Marginal propensities of a Plackett-Luce policy are computed exactly up to this slot."""

ONLY = "all"
"""The issue of a program that does not tell several apart."""

OF_THE_PROGRAM = ("program", "start_date", "logs", "features", "detectors")
"""What an issue has from its program, and can't say itself."""

_RESERVED = {
    "champion": "whichever learner was promoted last",
    "logged": "the policy that wrote the logs",
    EXTERNAL: "a policy of somebody else's",
}


class Training(Strict):
    window_days: Days = 28


class ArmChoice(Strict):
    """Arms by id, or by the features that they all have; every arm where neither is said."""

    ids: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: dict[Name, str] = Field(default={})

    @model_validator(mode="after")
    def _is_one_of_each(self) -> ArmChoice:
        if self.ids and self.where:
            raise ValueError("say which arms, by `ids` or by `where`")
        if len(set(self.ids)) < len(self.ids):
            raise ValueError(f"ids: an arm is named twice in {list(self.ids)}")
        return self


class Issue(SlateGoals):
    """One decision problem. `eligible`, by the values of categories, and `concerns`, by a condition: the
    users that get slates of it; every user where neither says.

    Where somebody else decides for the users of all variants, and an allocation says who is in which, there
    are no slates: none of what makes them is said."""

    program: Name
    name: Name
    start_date: date
    logs: Logs
    features: FeatureSpecs = Field(default={}, max_length=1000)
    detectors: Detectors = Field(default={})
    arms: ArmChoice = ArmChoice()
    eligible: dict[Name, Annotated[tuple[str, ...], Field(strict=False)]] = Field(default={})
    concerns: Text | None = None
    slots: int = Field(ge=1, le=100)
    depth: int = Field(ge=1, le=1000, description="arms in a published ranking; slates are cut from it")
    rewards: Rewards
    sequence: Sequence | None = None
    training: Training = Training()
    learners: dict[Name, LearnerSpec] = Field(max_length=100)
    floor: float = Field(gt=0, le=1, description="share of every policy's weight spread over all arms")
    variants: dict[Name, Variant] = Field(min_length=1, max_length=100)
    experiment: Experiment = Experiment()
    examination: Examination | None = None
    evaluation: Evaluation = Evaluation()
    uplift: Uplift | None = None
    insights: Insights | None = None
    gate: Gate

    @model_validator(mode="after")
    def _is_consistent(self) -> Issue:
        known = {*self.learners, "champion", EXTERNAL}
        for reserved, meaning in _RESERVED.items():
            if reserved in self.learners:
                raise ValueError(f"learners: {reserved!r} is the word for {meaning}")
        for name, variant in self.variants.items():
            if variant.policy not in known:
                raise ValueError(f"variants.{name}.policy: {variant.policy!r} is not one of {sorted(known)}")
        if abs(sum(v.share for v in self.variants.values()) - 1) > 1e-9:
            raise ValueError("variants: the shares must sum to 1")
        require_some_of_ours(self.variants, self.experiment, self.examination)
        if self.depth < self.slots:
            raise ValueError(f"depth: a ranking of {self.depth} can't fill {self.slots} slots")
        if self.logs.propensity == "marginal" and self.slots > MARGINAL_SLOTS:
            raise ValueError(
                f"logs.propensity: marginal propensities are exact up to slot {MARGINAL_SLOTS}, not"
                f" {self.slots}; use conditional propensities instead"
            )
        self._require_choosable()
        require_fitting_learners(self.sequence, self.learners)
        require_learners_of_losses(self.rewards.dearest, self.learners)
        if self.sequence:
            days = self.evaluation.window_days
            require_trajectories(self.sequence, self.slots, self.rewards, days, self.examination)
        self._require_fitting_estimators()
        require_consistent(self, self.logs, self.slots, self.adjusted)
        if self.examination:
            uniform, by_decision = {*self.scored} - {*self.adjusted}, self.slots_weighed > 1
            require_randomised(self.examination, self.variants, uniform, by_decision, self.rewards.values)
        if self.uplift:
            sequence = self.sequence is not None
            require_baseline(self.uplift, self.arms.ids, self.slots, sequence, self.examination, self.rewards)
        require_rewards_as_shown(self.insights, self.examination)
        require_topic(self.rewards, self.logs)
        asked = self.experiment
        sequence = self.sequence is not None
        controls, control = self.evaluation.controls, asked.control
        require_telling(controls, self, self.slots, sequence, control, self.variants)
        told_by = asked.metrics, asked.covariates, asked.segments
        require_comparable(asked.control, asked.decided_by, *told_by, asked.guardrails, self.variants)
        require_measurable(*told_by, self.logs, context_of(of_users(self.features)))
        require_sums_over_days(asked.weighing, asked.metrics)
        require_priority(asked.priority, asked.covariates)
        columns = [feature.name for feature in self.context]
        require_former(asked.former, self.salt, asked.start, asked.control, columns)
        require_responses(asked.fatigue, [*self.rewards.values], asked.control)
        require_allocable(
            self.allocation,
            self.salt,
            asked.control,
            self.variants,
            asked.metrics,
            [each.metric for each in asked.guardrails],
            self.context,
            self.logs.signals is not None,
            self.evaluation.folds,
        )
        if self.scored and self.gate.first_champion not in self.learners:
            raise ValueError(f"gate.first_champion: {self.gate.first_champion!r} is not one of the learners")
        windows = {
            "training.window_days": self.training.window_days,
            "evaluation.window_days": self.evaluation.window_days,
        }
        require_matured(self.rewards, windows)
        require_known_rewards(self.evaluation, self.rewards)
        keyed = [each.name for each in keyed_of(self.features)]
        context = [*(feature.name for feature in self.context), *keyed]
        require_crossing(self.logs, context, self.learners.values())
        require_known(self.learners, context)
        require_answerable_rules(self.learners, self.context, self.logs.arm_features)
        if self.sequence and keyed:
            raise ValueError(
                f"features.{keyed[0]}: key: with `sequence` a state is of a user, whatever arm comes next;"
                " leave the key to [user_id]"
            )
        return self

    def _require_choosable(self) -> None:
        """Raise ValueError unless arms and users are chosen by categories that the logs have."""
        chosen = (
            ("arms.where", "logs.arm_features", self.arms.where, self.logs.arm_features),
            ("eligible", "logs.context or features", self.eligible, self.context),
        )
        for key, place, names, declared in chosen:
            categories = [feature.name for feature in declared if feature.type == "category"]
            for name in names:
                if name not in categories:
                    raise ValueError(f"{key}: {name!r} is not a category of {place} (there: {categories})")
        try:
            _ = self.concern
        except ValueError as error:
            raise ValueError(f"concerns: {error}") from error

    def _require_fitting_estimators(self) -> None:
        unit = self.unit
        unfit = set(self.estimators) - set(unit.estimators)
        if unfit:
            raise ValueError(
                f"evaluation.estimators: {sorted(unfit)} can't weigh {unit.weighed}; choose from"
                f" {list(unit.estimators)}"
            )
        if self.judged_by in BIASED:
            raise ValueError(
                f"gate.estimator: {self.judged_by} has a bias that its standard error does not hold"
            )
        if self.judged_by not in self.estimators:
            raise ValueError(f"gate.estimator: {self.judged_by!r} is not one of {list(self.estimators)}")

    @property
    def context(self) -> tuple[Feature, ...]:
        """What is known of a user when a decision is made: columns that land, and features."""
        return known_of_users(self.logs, self.features)

    @property
    def concern(self) -> Condition | None:
        """What holds for the users that it concerns; None: for all."""
        return concern_of(self.concerns, (*self.context, *risks_of(self.detectors)))

    @property
    def concerned_by(self) -> tuple[str, ...]:
        """The columns of contexts, and the detectors, that say who gets slates of it."""
        return (*self.eligible, *(columns_of(self.concern) if self.concern else ()))

    @property
    def concerned_by_risks(self) -> tuple[str, ...]:
        """The detectors among them."""
        return tuple(name for name in self.concerned_by if name in self.detectors)

    @property
    def unit(self) -> Unit:
        """What is weighed at once: trajectories, where decisions follow one another; decisions as a whole,
        where their slots are several and depend on one another; otherwise each impression alone."""
        if self.sequence is not None:
            return TRAJECTORY
        return DECISION if self.logs.propensity == "conditional" and self.slots > 1 else IMPRESSION

    @property
    def slots_weighed(self) -> int:
        """How many impressions are weighed at once at most."""
        return self.slots if self.unit is DECISION else 1

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """The least and the most that an impression of whatever arm can be worth, where the program says what
        it can earn. What it says of a trajectory is for intervals alone: evidence goes by what trajectories
        have earned."""
        known = self.evaluation.reward_range if self.unit is not TRAJECTORY else None
        return known and (known[0] - self.rewards.dearest, known[1])

    @property
    def epsilon_ranges(self) -> dict[str, EpsilonRange]:
        """The learners whose epsilon each night chooses, and between which ends."""
        epsilons = {name: getattr(learner, "epsilon", None) for name, learner in self.learners.items()}
        return {name: said for name, said in epsilons.items() if isinstance(said, EpsilonRange)}

    @property
    def allocation(self) -> Allocation | None:
        """How shares of its experiment follow the context, if they do."""
        return self.experiment.allocation

    @property
    def treatments(self) -> dict[str, Variant]:
        """The variants that are held against the control, by name."""
        return {name: each for name, each in self.variants.items() if name != self.experiment.control}

    @property
    def salt(self) -> str:
        """What its experiment is known by."""
        return self.experiment.salt or self.program

    @property
    def scored(self) -> dict[str, Variant]:
        """The variants whose users get slates: all that are not external."""
        return {name: variant for name, variant in self.variants.items() if not variant.external}

    @property
    def external(self) -> frozenset[str]:
        """The variants whose users somebody else decides for."""
        return frozenset(self.variants) - frozenset(self.scored)

    @property
    def adjusted(self) -> tuple[str, ...]:
        """Those with goals, budgets, priority and diversity: all with slates whose policy is not a uniform
        learner."""
        randomised = {name for name, learner in self.learners.items() if learner.kind == "uniform"}
        return tuple(name for name, variant in self.scored.items() if variant.policy not in randomised)

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those that the program names, or the usual ones."""
        return self.evaluation.estimators or self.unit.usual

    @property
    def judged_by(self) -> str:
        """The estimator that the gate believes."""
        return self.gate.estimator or self.unit.doubly_robust

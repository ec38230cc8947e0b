"""A program: one use case, declared once in a YAML file. All that a night needs to know."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]

MARGINAL_SLOTS = 3
"""Marginal propensities of a Plackett-Luce policy are computed exactly up to this slot."""


def _duration(value: object) -> object:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}[mhd]", value):
        return timedelta(**{units[value[-1]]: int(value[:-1])})
    raise ValueError("a duration is a whole number and a unit: 30m, 12h or 14d")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a duration must be longer than nothing")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]


class Strict(BaseModel):
    """Unknown keys, converted values, infinity and NaN are errors: a typo must not become a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Feature(Strict):
    """A context column of the logs: a category (one-hot over the values seen) or a number (as it is)."""

    name: Name
    type: Literal["category", "number"]


Features = Annotated[tuple[Feature, ...], Field(strict=False)]  # YAML has lists, not tuples


class Rejects(Strict):
    """How much of a day's landing a night tolerates in quarantine before it stops."""

    max_share: Share = 0.01
    max_files: int = Field(default=0, ge=0)


class Logs(Strict):
    """What lands every day, and what the logged propensity means.

    `conditional`: the probability of this arm in this slot given the slots before it.
    `marginal`: the probability of this arm in this slot, whatever came before.
    """

    propensity: Literal["conditional", "marginal"]
    context: Features = ()
    arm_features: Features = ()
    references: bool = False
    rejects: Rejects = Rejects()

    @property
    def names(self) -> tuple[str, ...]:
        """The landing logs a night waits for."""
        return ("impressions", "outcomes", "users", "arms", *(("references",) if self.references else ()))


class Rewards(Strict):
    """What an outcome is worth, by kind, and how long after an impression it still counts.

    `name` is what one unit is called in reports; a `rate` is a probability, shown in percent."""

    name: str = "reward per impression"
    rate: bool = False
    values: dict[Name, float] = Field(min_length=1)
    window: Duration
    attribution: Literal["last_touch"] = "last_touch"


class Training(Strict):
    window_days: int = Field(default=28, ge=1)


class UniformLearner(Strict):
    kind: Literal["uniform"]


class PopularityLearner(Strict):
    kind: Literal["popularity"]
    prior_strength: float = Field(default=100.0, gt=0)


class LinearThompsonLearner(Strict):
    kind: Literal["linear_thompson"]
    ridge: float = Field(default=1.0, gt=0)
    scale: float = Field(default=1.0, gt=0)
    draws: int = Field(default=256, ge=16, le=10_000)


LearnerSpec = Annotated[
    UniformLearner | PopularityLearner | LinearThompsonLearner, Field(discriminator="kind")
]


class Evaluation(Strict):
    """`folds`: users are split by hash; a policy is evaluated only on users it was not fitted on.
    `reward_model_ridge`: how many rows it takes for DR's reward model to set an arm apart from the others."""

    window_days: int = Field(default=28, ge=1)
    folds: int = Field(default=4, ge=2, le=20)
    resamples: int = Field(default=1000, ge=100)
    reward_model_ridge: float = Field(default=100.0, gt=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class Gate(Strict):
    """A challenger is promoted only if the lower bound of its paired difference to the champion clears
    `margin`, with enough effective samples and support. `alpha` is spent over all nights together."""

    first_champion: Name
    estimator: Literal["ips", "snips", "dr"] = "dr"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    margin: float = Field(default=0.0, ge=0)
    min_ess: float = Field(default=1000.0, gt=0)
    min_users: int = Field(default=100, ge=2)
    max_unsupported_share: Share = 0.01


class Variant(Strict):
    """A branch of the experiment: a share of the users, and the policy (or `champion`) they are scored by."""

    share: Share
    policy: Name


_RESERVED = {
    "champion": "whichever learner was promoted last",
    "logged": "the policy that wrote the logs",
}


class Program(Strict):
    """The whole of `dags/NAME.yaml`."""

    program: Name
    description: str
    owner: str = "nightslate"
    start_date: date
    slots: int = Field(ge=1, le=100)
    depth: int = Field(ge=1, le=1000, description="arms in a published ranking; slates are cut from it")
    buckets: int = Field(default=8, ge=1, le=4096, description="user buckets of the tables; fixed for ever")
    logs: Logs
    rewards: Rewards
    training: Training = Training()
    learners: dict[Name, LearnerSpec] = Field(min_length=1)
    floor: float = Field(gt=0, le=1, description="share of every policy's weight spread over all arms")
    variants: dict[Name, Variant] = Field(min_length=1)
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
        if self.logs.propensity == "conditional" and self.slots > 1:
            raise ValueError(
                "logs.propensity: estimators for conditional propensities of several slots are not built yet;"
                " log the marginal propensity of the arm in its slot, or one slot"
            )
        if self.logs.propensity == "marginal" and self.slots > MARGINAL_SLOTS:
            raise ValueError(
                f"logs.propensity: marginal propensities are exact up to slot {MARGINAL_SLOTS}, not"
                f" {self.slots}; log conditional propensities instead"
            )
        columns = [f.name for f in self.logs.context], [f.name for f in self.logs.arm_features]
        for names in columns:
            if len(set(names)) < len(names):
                raise ValueError(f"logs: a column is declared twice in {names}")
        return self

"""What a program asks of its slates beyond reward: exposure goals, budgets, campaign priority, diversity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nightslate.programs.logs import Logs
from nightslate.programs.strict import MOST_ROWS, Name, Strength, Strict

DIVERSIFIED_SLOTS = 3
"""Exposures of slates with a diversity penalty are computed exactly up to this slot."""


class ExposureGoal(Strict):
    """Arms, by id or by their features, that together get at least a share of all slots, or a number of
    expected exposures a day."""

    name: Name
    arms: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: dict[Name, str] = Field(default={})
    share: float | None = Field(default=None, gt=0, lt=1)
    exposures: float | None = Field(default=None, gt=0, le=MOST_ROWS)

    @model_validator(mode="after")
    def _is_one_of_each(self) -> ExposureGoal:
        if bool(self.arms) == bool(self.where):
            raise ValueError(f"{self.name}: say which arms, by `arms` or by `where`")
        if (self.share is None) == (self.exposures is None):
            raise ValueError(f"{self.name}: ask for a `share` of all slots or for a number of `exposures`")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"{self.name}: an arm is named twice in {list(self.arms)}")
        return self


class Budget(Strict):
    """What some arms may use together a night at most, over all users and the slots that are shown: exposures
    of arms by id or by their features, or costs by arm."""

    name: Name
    arms: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: dict[Name, str] = Field(default={})
    costs: dict[str, Strength] = Field(default={})
    most: Strength

    @model_validator(mode="after")
    def _is_one_of_each(self) -> Budget:
        if bool(self.arms) + bool(self.where) + bool(self.costs) != 1:
            raise ValueError(f"{self.name}: say which arms, by `arms`, by `where` or by their `costs`")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"{self.name}: an arm is named twice in {list(self.arms)}")
        return self


class Diversity(Strict):
    """At every slot, the weight of an arm is multiplied by `penalty` for each arm of its group before it."""

    by: Name
    penalty: float = Field(default=0.5, gt=0, lt=1)


class SlateGoals(Strict):
    """What is asked of slates beyond reward; makes their weights others than those of models."""

    exposure: Annotated[tuple[ExposureGoal, ...], Field(strict=False)] = ()
    exposure_tolerance: float = Field(default=0.001, gt=0, lt=1)
    budgets: Annotated[tuple[Budget, ...], Field(strict=False)] = ()
    priority: Name | None = None
    diversity: Diversity | None = None

    @property
    def tilts_slates(self) -> bool:
        """Whether goals, budgets, priority or diversity make the weights of slates others than those of
        models."""
        return bool(self.exposure or self.budgets or self.priority or self.diversity)


def require_consistent(asked: SlateGoals, logs: Logs, slots: int, adjusted: Collection[str]) -> None:
    """Raise ValueError, naming the key, unless goals, budgets, priority and diversity fit each other and the
    logs. adjusted: the variants that they are for."""
    names = [goal.name for goal in asked.exposure]
    if len(set(names)) < len(names):
        raise ValueError(f"exposure: two goals share a name in {names}")
    names += [budget.name for budget in asked.budgets]
    if len(set(names)) < len(names):
        raise ValueError(f"budgets: two budgets, or a goal and a budget, share a name in {names}")
    types = {feature.name: feature.type for feature in logs.arm_features}
    limits = (("exposure", asked.exposure), ("budgets", asked.budgets))
    for key, limit in ((key, limit) for key, of_key in limits for limit in of_key):
        for feature in limit.where:
            _require_feature(f"{key}.{limit.name}.where", feature, "category", types)
    if asked.priority:
        _require_feature("priority", asked.priority, "number", types)
    if asked.tilts_slates and not adjusted:
        raise ValueError(
            "variants: all of them are uniform, and goals, budgets, priority and diversity leave those as"
            " they are; add a variant with another policy"
        )
    if asked.diversity:
        _require_feature("diversity.by", asked.diversity.by, "category", types)
        _require_known_propensities(asked, logs, slots)


def _require_known_propensities(asked: SlateGoals, logs: Logs, slots: int) -> None:
    if logs.propensity == "marginal":
        raise ValueError(
            "diversity: propensities of slates with a penalty are conditional, given the slots before; a"
            " program whose logs.propensity is marginal can't have it. Log conditional ones, or leave it out"
        )
    if (asked.exposure or asked.budgets) and slots > DIVERSIFIED_SLOTS:
        raise ValueError(
            f"diversity: with a penalty, exposures are computed up to slot {DIVERSIFIED_SLOTS}, not"
            f" {slots}; leave out either the goals and budgets, or the penalty"
        )


def _require_feature(
    key: str, name: str, kind: Literal["category", "number"], types: Mapping[str, str]
) -> None:
    if types.get(name) != kind:
        there = [known for known, known_kind in types.items() if known_kind == kind]
        raise ValueError(f"{key}: {name!r} is not a {kind} of logs.arm_features (there: {there})")

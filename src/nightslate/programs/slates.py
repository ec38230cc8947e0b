"""What a program asks of its slates beyond reward: exposure goals, campaign priority and diversity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nightslate.programs.strict import MOST_ROWS, Name, Strict

if TYPE_CHECKING:
    from nightslate.programs.spec import Program

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


class Diversity(Strict):
    """At every slot, the weight of an arm is multiplied by `penalty` for each arm of its group before it."""

    by: Name
    penalty: float = Field(default=0.5, gt=0, lt=1)


def require_consistent(program: Program) -> None:
    """Raise ValueError, naming the key, unless goals, priority and diversity fit each other and the logs."""
    names = [goal.name for goal in program.exposure]
    if len(set(names)) < len(names):
        raise ValueError(f"exposure: two goals share a name in {names}")
    types = {feature.name: feature.type for feature in program.logs.arm_features}
    for goal in program.exposure:
        for feature in goal.where:
            _require_feature(f"exposure.{goal.name}.where", feature, "category", types)
    if program.priority:
        _require_feature("priority", program.priority, "number", types)
    if (program.exposure or program.priority or program.diversity) and not program.steered:
        raise ValueError(
            "variants: all of them are uniform, and goals, priority and diversity leave those as they are;"
            " add a variant with another policy"
        )
    if program.diversity:
        _require_feature("diversity.by", program.diversity.by, "category", types)
        _require_known_propensities(program)


def _require_known_propensities(program: Program) -> None:
    if program.logs.propensity == "marginal":
        raise ValueError(
            "diversity: propensities of slates with a penalty are conditional, given the slots before; a"
            " program whose logs.propensity is marginal can't have it. Log conditional ones, or leave it out"
        )
    if program.exposure and program.slots > DIVERSIFIED_SLOTS:
        raise ValueError(
            f"diversity: with a penalty, exposures are computed up to slot {DIVERSIFIED_SLOTS}, not"
            f" {program.slots}; leave out either the goals or the penalty"
        )


def _require_feature(
    key: str, name: str, kind: Literal["category", "number"], types: Mapping[str, str]
) -> None:
    if types.get(name) != kind:
        there = [known for known, known_kind in types.items() if known_kind == kind]
        raise ValueError(f"{key}: {name!r} is not a {kind} of logs.arm_features (there: {there})")

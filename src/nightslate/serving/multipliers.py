"""The multipliers of exposure goals and budgets, which no request can solve: a night does, over all of its
users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from nightslate.errors import ContractError
from nightslate.serving.release import Release
from nightslate.tables import Snapshot


class SolvedFor(Protocol):
    """What knows the multipliers of a day."""

    def of(self, day: date) -> Mapping[str, float]:
        """By arm."""
        ...


@dataclass(frozen=True)
class GivenMultipliers:
    """The same by arm, on whichever day."""

    by_arm: Mapping[str, float]

    def of(self, day: date) -> Mapping[str, float]:  # noqa: ARG002
        """By arm."""
        return self.by_arm


@dataclass(frozen=True)
class Multipliers:
    """What choices are multiplied by. solved: the table `multipliers` as it was when the model was loaded, so
    that those of a night stay with its model."""

    release: Release
    solved: Snapshot
    _known: dict[date, Mapping[str, float]] = field(default_factory=dict, repr=False)

    def of(self, day: date) -> Mapping[str, float]:
        """By arm, those of slates for a day. Raises ContractError that names the goals and budgets, where
        there are some and no night has solved them for that day."""
        if not self.release.goals:
            return self.release.multipliers
        if day not in self._known:
            self._known[day] = self._read(day)
        return self._known[day]

    def _read(self, day: date) -> Mapping[str, float]:
        days, goals = self.solved.days(), ", ".join(self.release.goals)
        if day not in days:
            there = f"only for {days[0]} to {days[-1]}" if days else "nor for any other"
            raise ContractError(
                f"slate_date {day}: no night has solved the exposure goals and budgets {goals} for it,"
                f" {there}. Load the model again after the night before that day"
            )
        rows = self.solved.to_arrow(day, day, ["arm_id", "multiplier"])
        return dict(zip(*rows.to_pydict().values(), strict=True))

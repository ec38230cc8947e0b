"""The champion without what the business asks of slates beyond reward."""

from dataclasses import dataclass, replace
from typing import ClassVar

from nightslate.kernels.controls.control import DecidedDay, Ranks
from nightslate.kernels.slate_weights import WeightAdjustment


@dataclass(frozen=True)
class WithoutLevers:
    """The same model and floor, without exposure goals, budgets, campaign priority and diversity penalty."""

    name: ClassVar[str] = "without_levers"
    reaches_everyone: ClassVar[bool] = False

    def on(self, day: DecidedDay) -> Ranks:
        """What the model chooses."""
        return replace(day.champion, adjustment=WeightAdjustment())

"""The rule that is there without the champion."""

from dataclasses import dataclass
from typing import ClassVar

from nightslate.kernels.controls.control import DecidedDay, Ranks


@dataclass(frozen=True)
class PresentRule:
    """The policy of the variant that the experiment holds the others against."""

    name: ClassVar[str] = "present_rule"
    reaches_everyone: ClassVar[bool] = False

    def on(self, day: DecidedDay) -> Ranks | None:
        """As slates of that variant are made; None where there is no model of it."""
        return day.rule

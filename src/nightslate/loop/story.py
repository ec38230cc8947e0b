"""What the loop asks of a world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightslate.programs import Program
from nightslate.reports.simulation import Simulated
from nightslate.steps.night import Night


@dataclass(frozen=True)
class Setting:
    """What a world starts from. `landing`: the folder of the program's landing logs. `slates`: that of its
    table of slates."""

    program: Program
    users: int
    seed: int
    landing: Path
    slates: Path


@dataclass(frozen=True)
class Told:
    """What is left of a world in the end: figures, and the page about them."""

    simulation: Simulated
    page: str


class Story(Protocol):
    """A world, day by day and in order."""

    @property
    def place(self) -> str:
        """Where it plays, in a word."""

    def live(self, day: int) -> None:
        """What happens on a day, counted from 0, and lands in its logs."""

    def look_back(self, night: Night) -> None:
        """Note what the night of the day estimated and decided."""

    def told(self, seconds: dict[str, float]) -> Told:
        """All of it; `seconds` that each step of the nights has taken."""

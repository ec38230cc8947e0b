"""What a world's folder implements, so that it can be played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightslate.errors import SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs import Program
from nightslate.worlds.results import Row


@dataclass(frozen=True)
class Setup:
    """What a simulation starts from. `landing`: the folder of the program's landing logs. `slates`: that of
    its table of slates, whose user ids are pseudonyms. served: a night of it, where the rec engine asks the
    program's app for decisions; None where it reads slates."""

    program: Program
    users: int
    seed: int
    landing: Path
    slates: Path
    pseudonymise: Pseudonymiser
    served: Night | None = None

    @property
    def sends(self) -> Path:
        """The folder of the program's table of sends, beside that of its slates."""
        return self.slates.with_name("sends")

    @property
    def assignments(self) -> Path:
        """That of its table of assignments."""
        return self.slates.with_name("assignments")

    def require_slates(self) -> None:
        """Raise SpecError where the app should be asked, of a world whose rec engine reads slates alone."""
        if self.served is not None:
            raise SpecError(
                f"--served: the rec engine of {self.program.program} reads slates and asks no app; leave it"
                " out"
            )

    def require_no_costs(self) -> None:
        """Raise SpecError where arms cost something, of a world whose truth is before costs."""
        costs = sorted({arm for issue in self.program.issues.values() for arm in issue.rewards.costs})
        if costs:
            raise SpecError(
                f"{self.program.program}: rewards.costs has {', '.join(costs)}, and what this world calls"
                " true values is before costs; leave costs out to simulate"
            )


class Figures(Protocol):
    """What a simulation found, as it is kept beside its page."""

    def as_json(self) -> Row:
        """What the JSON file holds."""


@dataclass(frozen=True)
class Report:
    """What a simulation found in the end: its figures, the page about them, one HTML document, and what that
    begins with, a sentence."""

    results: Figures
    page: str
    headline: str


class Simulation(Protocol):
    """A world and its rec engine, day by day and in order. What is true stays with it; nights see logs."""

    @property
    def label(self) -> str:
        """What progress calls a day of it, in a word."""

    def run_day(self, day: int) -> None:
        """What happens on a day, counted from 0, and lands in its logs."""

    def record_night(self, night: IssueNight) -> None:
        """Record what the night of the day estimated and decided for an issue, beside what is true. Called
        for each issue of the program, in order."""

    def report(self, seconds: dict[str, float]) -> Report:
        """All that was recorded; `seconds` that each step of the nights has taken."""


StartSimulation = Callable[[Setup], Simulation]

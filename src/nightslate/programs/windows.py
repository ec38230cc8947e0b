"""How many days before its own a night reads, by what its program says."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nightslate.programs.cohorts import BLOCKS
from nightslate.programs.days import days_before
from nightslate.programs.features import Aggregate, aggregates, of_source

if TYPE_CHECKING:
    from nightslate.programs.issue import Issue
    from nightslate.programs.spec import Program

LATE_DAYS = 7
"""An outcome that comes up to so many days after its window is known to be late; later ones match nothing."""


def days_attributed(program: Program) -> int:
    """How many days before an outcome's day its impressions are looked for: those of the longest window, and
    some more, in which an impression is too old and its outcome late."""
    return days_before(program.longest_window) + LATE_DAYS


def days_of_activity(program: Program) -> int:
    """How many days before a decision's day the activity is looked for that its features are made of."""
    return _days_within(aggregates(program.features))


def days_of_credits(program: Program) -> int:
    """How many days before a decision's day the credits are looked for that its features are made of."""
    return _days_within(of_source(aggregates(program.features), "credits"))


def days_of_contacts(program: Program) -> int:
    """How many days before this one impressions are counted that contact rules limit."""
    return days_before(program.contacts.longest_period) if program.contacts else 0


def days_looked_back(program: Program) -> dict[str, int]:
    """How many days before its own any night may go back to, by what asks for them; they add up. Nights
    before it that were never trained are trained by it, on windows of their own."""
    ds = program.start_date
    learnt = {"training.window_days and evaluation.window_days": max(map(_learnt, program.issues.values()))}
    learnt |= {f"detectors.{n}": (ds - each.days(ds)[0]).days for n, each in program.detectors.items()}
    logs = {
        "the windows of rewards": days_of_credits(program) + days_attributed(program),
        "the windows of features": days_of_activity(program),
    }
    (longest, days), (source, before) = (
        max(each.items(), key=lambda item: item[1]) for each in (learnt, logs)
    )
    spans = [days_before(issue.sequence.span) for issue in program.issues.values() if issue.sequence]
    found = {longest: days, source: before, "sequence": max(spans, default=0)}
    contacts = days_of_contacts(program)
    return found if contacts <= sum(found.values()) else {"contacts": contacts}


def _learnt(issue: Issue) -> int:
    training, evaluation = issue.training.window_days, issue.evaluation.window_days
    taught_by = max(training, evaluation) if issue.epsilon_ranges else training
    return evaluation + math.ceil(evaluation / BLOCKS) - 1 + taught_by - 1


def _days_within(features: Iterable[Aggregate]) -> int:
    windows = (each.window for each in features)
    return max((1 + days_before(window) for window in windows if window), default=0)

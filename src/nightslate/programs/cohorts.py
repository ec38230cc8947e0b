"""Cohorts: what was shown on a day, once everything that it earned is known, and the models that it is
weighed by. Both follow from dates alone, so that whichever night asks, and in whatever order nights run, the
answer is the same."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.programs.issue import Issue

BLOCKS = 5
"""Logs of before the first night were shown while there were no nights and so no models: the days that the
first night looks back on fall into so many blocks, and all days of a block are weighed by one set of
models."""


def known_on(issue: Issue, shown: date) -> date:
    """The first night that knows all that was earned by what was shown on a day."""
    return shown + _until_known(issue)


def window_of(issue: Issue, shown: date) -> set[date]:
    """The days whose outcomes may be earned by what was shown on a day, that day included."""
    return {shown + timedelta(days=day) for day in range(_until_known(issue).days + 1)}


def cohorts_of(issue: Issue, ds: date) -> list[date]:
    """The days of the evaluation window of the night of ds whose cohorts are whole by then, in order."""
    last = ds - _until_known(issue)
    first = ds - timedelta(days=issue.evaluation.window_days - 1)
    return [first + timedelta(days=day) for day in range((last - first).days + 1)]


def first_cohort_unknown_to(issue: Issue, ds: date) -> date:
    """The first day whose cohort was not yet whole on the night of ds: whatever that night decided, it
    decided without it."""
    return ds - _until_known(issue) + timedelta(days=1)


def modelled_on(issue: Issue, shown: date) -> date:
    """The night whose models weigh the cohort of a day: the one before it, so that nothing that was shown on
    the day, or came later, is in them. For days up to the first night, which no night went before, it is the
    day before the day's block began."""
    if shown > issue.start_date:
        return shown - timedelta(days=1)
    days = issue.evaluation.window_days
    first = issue.start_date - timedelta(days=days - 1)
    length = math.ceil(days / BLOCKS)
    return first + timedelta(days=(shown - first).days // length * length - 1)


def _until_known(issue: Issue) -> timedelta:
    span = issue.sequence.span if issue.sequence else issue.rewards.longest_window
    return timedelta(days=math.ceil(span / timedelta(days=1)))

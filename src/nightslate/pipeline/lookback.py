"""Which days before it a night goes back to, and how it catches up with those that no night has taken in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from nightslate.errors import CommitConflictError, SupersededError
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.cohorts import cohorts_of, modelled_on
from nightslate.programs.days import days_before, first_day
from nightslate.programs.windows import days_attributed, days_of_activity, days_of_contacts, days_of_credits
from nightslate.tables import Table


def nights_without_models(night: IssueNight, models: Table) -> list[date]:
    """The nights before this one whose models its cohorts are weighed by and that were never trained, the
    oldest first."""
    issue = night.issue
    if not issue.learners:
        return []
    wanted = {modelled_on(issue, day) for day in cohorts_of(issue, night.ds)} - {night.ds}
    return sorted(wanted - {*models.of_issue(issue.name).snapshot().days()})


def days_learnt_from(night: Night, models: Table) -> list[date]:
    """The days before this one that training and evaluation of any issue read, the oldest first; and those
    that nights read which have to be trained before this one can be evaluated."""
    firsts = []
    for each in night.issues:
        training, evaluation = each.issue.training.window_days, each.issue.evaluation.window_days
        firsts.append(first_day(night.ds, max(training, evaluation)))
        taught_by = max(training, evaluation) if each.issue.epsilon_ranges else training
        firsts += [first_day(day, taught_by) for day in nights_without_models(each, models)]
    return _days_up_to(night.ds, (night.ds - min(firsts)).days)


def days_looked_back_on(night: Night, models: Table, with_logs_before: bool = False) -> list[date]:
    """The days before this one whose logs training and evaluation go back to, the oldest first: those that
    they and detectors learn from, and in which trajectories began that ended there. `with_logs_before`: also
    those before them whose impressions may be credited with outcomes of the oldest, and whose activity its
    features are made of; and those whose impressions contact rules count."""
    sequences = [issue.sequence for issue in night.program.issues.values() if issue.sequence]
    days = len(days_learnt_from(night, models))
    days += max((days_before(sequence.span) for sequence in sequences), default=0)
    program = night.program
    detected = (detector.days(night.ds)[0] for detector in program.detectors.values())
    days = max([days, *((night.ds - first).days for first in detected)])
    before_credits = days_of_credits(program) + days_attributed(program)
    further = max(before_credits, days_of_activity(program)) if with_logs_before else 0
    contacts = days_of_contacts(program) if with_logs_before else 0
    return _days_up_to(night.ds, max(days + further, contacts))


def days_credited(night: Night, models: Table) -> list[date]:
    """The days before this one whose outcomes training and evaluation learn from, or their features, the
    oldest first."""
    days = len(days_looked_back_on(night, models)) + days_of_credits(night.program)
    return _days_up_to(night.ds, days)


def days_with_features(night: Night, models: Table) -> list[date]:
    """The days before this one as of whose end, or of whose decisions, features are learnt from."""
    looked_back_on = days_looked_back_on(night, models)
    return [looked_back_on[0] - timedelta(days=1), *looked_back_on] if looked_back_on else []


def days_attributed_to(night: Night) -> list[date]:
    """The days before this one whose impressions its outcomes may be credited to, the oldest first."""
    return _days_up_to(night.ds, days_attributed(night.program))


@contextmanager
def shared_with_other_nights() -> Iterator[None]:
    """Nights take in the days before theirs too, so two of them may meet at a day. Who is overtaken there is
    not done: it has to look again, once the other has written all tables of that day."""
    try:
        yield
    except SupersededError as error:
        raise CommitConflictError(f"another night is at the same day; try again: {error}") from error


def _days_up_to(ds: date, days: int) -> list[date]:
    """So many days before `ds`."""
    return [ds - timedelta(days=back) for back in range(days, 0, -1)]

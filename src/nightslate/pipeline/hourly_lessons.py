"""What learners learn of a program that is updated between nights: of what counted before the day began, and
of each hour of impressions whose windows end within the day. Sums of floats are merged in this order, so a
night comes to the states, to the last bit, that updates within its day have come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints, Sums
from nightslate.core.policies.learner import State
from nightslate.engines import Input, Tables
from nightslate.kernels.folds import Key
from nightslate.kernels.rewards import Matured
from nightslate.kernels.training import Earned, Lessons
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.matured_logs import Logs, value_counts
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import end_of, matured_before

HOURS = 24
_INSTANT = timedelta(microseconds=1)
_EARNED: Key = ("what impressions have earned", 0)
_UNITS: Key = ("units", 0)

Taught = Mapping[Key, Any]
"""What impressions of some users in one hour teach: states, by key."""
Remember = Callable[[pa.Table, "HourLesson"], tuple[Taught, bool]]
"""Of these very impressions, what they taught before or else teach now; and whether it was learnt now."""


@dataclass(frozen=True, eq=False)
class Units(Sums):
    """Units of (bucket, hour) that have impressions which count, and of these the ones learnt now."""

    all: Ints
    learnt: Ints

    @classmethod
    def of(cls, every: int, learnt: int) -> Units:
        """So many."""
        return cls(np.asarray(every), np.asarray(learnt))


@dataclass(frozen=True)
class Learnt:
    """By learner the state of all impressions, and what these have earned; how many units there were."""

    states: Mapping[str, tuple[State, ...]]
    earned: Earned
    units: Units


@dataclass(frozen=True)
class HourLesson:
    """What impressions of one hour teach: learners, and what can be earned."""

    lessons: Lessons

    def initial(self) -> Taught:
        """Of no impressions."""
        return {_EARNED: Earned.initial(), **self.lessons.initial()}

    def __call__(self, rows: pa.Table) -> Taught:
        return {_EARNED: Earned.of(rows), **dict(self.lessons.update(rows))}


def _learnt_now(rows: pa.Table, lesson: HourLesson) -> tuple[Taught, bool]:
    return lesson(rows), True


def counts_by_hour(night: IssueNight) -> bool:
    """Whether what the issue learns can be told apart by hours: not where young impressions count for what
    they will have earned, or rows teach by an estimate over all of them, or trajectories are learnt from."""
    issue = night.issue
    by_row = issue.sequence is None and issue.examination is None and issue.rewards.maturity == "exclude"
    return night.program.updates is not None and by_row


@dataclass(frozen=True)
class HourlyLogs:
    """`before`: the impressions that counted before the day began. `young`: those that count since, whose
    windows end from `begins` on, by hour."""

    before: Logs
    young: Logs
    begins: datetime

    @classmethod
    def of(cls, night: IssueNight, logs: Logs, known_until: datetime | None = None) -> HourlyLogs:
        """`logs`: all that count at the end of the night's day. known_until: the moment up to which they are
        known; None: that end. Impressions of before have all their credits from days before."""
        window = night.issue.rewards.longest_window
        begins = matured_before(night.ds - timedelta(days=1), window)
        end = end_of(night.ds)
        last = (end if known_until is None else min(known_until, end)) - window
        if last < end - window:
            last -= _INSTANT  # an hour is whole without the first moment of the next one
        old = replace(logs.matured, counts_until=begins - _INSTANT)
        young = replace(logs.matured, counts_from=begins, counts_until=last)
        last_day, first_day = (begins - _INSTANT).date(), begins.date()

        def before(table: str, day: date) -> bool:
            return day <= last_day if table == "impressions" else day < night.ds

        def since(table: str, day: date) -> bool:
            return day >= (first_day - timedelta(days=1) if table == "features" else first_day)

        return cls(_of_files(logs, old, before), _of_files(logs, young, since), begins)

    def hours_of(self, rows: pa.Table) -> Ints:
        """(n,) which hour of the day each impression's window ends in."""
        stamps = rows["occurred_at"].to_numpy().astype("datetime64[us]")
        begin = np.datetime64(self.begins.replace(tzinfo=None), "us")
        hours = (stamps - begin) // np.timedelta64(1, "h")
        return np.asarray(np.minimum(hours.astype(np.int64), HOURS - 1))


def learn_by_hour(
    night: IssueNight,
    hourly: HourlyLogs,
    lessons: Lessons,
    before: tuple[Mapping[str, tuple[State, ...]], Earned],
    remember: Remember = _learnt_now,
) -> Learnt:
    """What `lessons_learnt` says of all of the impressions. before: what it says of those of before the
    day."""
    young, lesson = hourly.young.narrow(lessons.columns), HourLesson(lessons)

    def update(tables: Tables) -> Iterator[tuple[tuple[Key, int], Any]]:
        rows = young.rows(tables)
        for hour, mine in _by_hour(hourly.hours_of(rows), rows):
            of_hour, now = remember(mine, lesson)
            yield (_UNITS, hour), Units.of(1, int(now))
            for key, state in of_hour.items():
                yield (key, hour), state

    keys = list(lessons.initial())
    nothing = {_UNITS: Units.of(0, 0), **lesson.initial()}
    initial = {(key, hour): state for hour in range(HOURS) for key, state in nothing.items()}
    found = night.engine.fold(initial, update, young.work)
    states, earned = dict(before[0]), before[1]
    for hour in range(HOURS):
        of_hour = lessons.states({key: found[key, hour] for key in keys})
        states = {name: (state[0].merge(of_hour[name][0]),) for name, state in states.items()}
        earned = earned.merge(found[_EARNED, hour])
    units = reduce(lambda one, other: one.merge(other), (found[_UNITS, hour] for hour in range(HOURS)))
    return Learnt(states, earned, units)


def counts_of(
    night: IssueNight, hourly: HourlyLogs, columns: tuple[str, ...], before: Mapping[str, Mapping[str, int]]
) -> Mapping[str, Mapping[str, int]]:
    """As `value_counts` of all of the impressions; `before`: of those of before the day."""
    young = value_counts(night, hourly.young, columns)
    return ValueCounts(before).merge(ValueCounts(young)).by_column


def _by_hour(hours: Ints, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Rows in the order of time, hour by hour."""
    for hour in np.unique(hours).tolist():
        first, end = np.searchsorted(hours, [hour, hour + 1]).tolist()
        yield hour, rows.slice(first, end - first)


def _of_files(logs: Logs, matured: Matured, chosen: Callable[[str, date], bool]) -> Logs:
    """The same logs, but no more is read than the files of some days, by table."""

    def of_days(name: str, given: Input) -> Input:
        return replace(given, files=[file for file in given.files if chosen(name, file.day)])

    inputs = {name: of_days(name, given) for name, given in logs.work.inputs.items()}
    return replace(logs, work=replace(logs.work, inputs=inputs), matured=matured)

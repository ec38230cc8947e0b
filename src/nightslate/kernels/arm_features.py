"""Features of arms alone: what all users were shown and did, pooled by arm, as of the end of a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats
from nightslate.core.features import SECOND, Pooled
from nightslate.errors import LeakError
from nightslate.kernels.credited import IMPRESSION, LAG, OF_CREDITS, as_events
from nightslate.kernels.features import AT, KNOWN, USER, holds, integers, with_known
from nightslate.kernels.leaks import leaking_at
from nightslate.kernels.lists import place_in, places
from nightslate.kernels.user_features import columns_read
from nightslate.programs.days import end_of, microseconds
from nightslate.programs.features import (
    ARM,
    Aggregate,
    DaysFrom,
    FeatureSpec,
    OfNumbers,
    Rate,
    columns_looked_at,
)
from nightslate.records.instants import INSTANT

EARNED = "credit"
Dates = Mapping[str, Mapping[str, str]]
"""By column of arms the day of each arm that has one, as YYYY-MM-DD."""


def columns_of_arms_read(source: str, aggregates: Sequence[Aggregate]) -> tuple[str, ...]:
    """What is read of a log for features of arms of it."""
    rates = [each for each in aggregates if isinstance(each.spec, Rate)]
    others = [each for each in aggregates if not isinstance(each.spec, Rate)]
    of_rates = (*OF_CREDITS, EARNED, *columns_looked_at(each.spec for each in rates)) if rates else ()
    of_others = columns_read(source, others) if others else ()
    return tuple(dict.fromkeys([*of_others, *of_rates]))


@dataclass(frozen=True)
class FeaturesOfArms:
    """As of the end of the day ds. aggregates: by the log that they are of; arms: those that have features;
    what is of any other counts for the mean of all alone."""

    aggregates: Mapping[str, tuple[Aggregate, ...]]
    ds: date
    arms: tuple[str, ...]

    def initial(self) -> dict[str, Pooled]:
        """By feature what no events say."""
        return {each.name: Pooled.initial(len(self.arms) + 1) for each in self._of_events}

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[str, Pooled]]:
        """What the rows of some users say, from the windows before in the logs that features are of; of
        credits, from the impressions that are `credited`. Raises LeakError where what was not there yet would
        change it."""
        for events, mine in self._events(tables):
            compute = partial(self._pooled, aggregates=mine)
            leaks = leaking_at(compute, events, end_of(self.ds), f"{self.ds}")
            if leaks:
                raise LeakError(
                    f"features of {self.ds} look at what was not known at their moment: {', '.join(leaks)};"
                    " this is a fault of nightslate, and nothing was written"
                )
            yield from compute(events).items()

    def rows(self, found: Mapping[str, Pooled], dates: Dates) -> pa.Table:
        """An arm a row, with its features; defaults where there is nothing to aggregate."""
        columns: dict[str, pa.Array] = {ARM: pa.array(self.arms, pa.string())}
        for each in (each for of_log in self.aggregates.values() for each in of_log):
            numbers = (
                self._days_from(each.spec, dates[each.spec.column])
                if isinstance(each.spec, DaysFrom)
                else self._aggregated(each, found[each.name])
            )
            columns[each.name] = pc.fill_null(pa.array(numbers, mask=np.isnan(numbers)), each.default)
        return pa.table(columns)

    @property
    def _of_events(self) -> list[Aggregate]:
        every = [each for of_log in self.aggregates.values() for each in of_log]
        return [each for each in every if not isinstance(each.spec, DaysFrom)]

    def _events(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[pa.Table, tuple[Aggregate, ...]]]:
        """Events that name an arm, and the features that are of them."""
        for source, aggregates in self.aggregates.items():
            others = tuple(each for each in aggregates if not isinstance(each.spec, Rate | DaysFrom))
            if others:
                of_credits = source == "credits"
                rows = as_events(tables[source], tables["credited"]) if of_credits else tables[source]
                yield with_known(rows), others
            for each in aggregates:
                if isinstance(each.spec, Rate):
                    yield _earnings(tables["credits"], tables["credited"], each.spec), (each,)

    def _pooled(self, events: pa.Table, aggregates: Sequence[Aggregate]) -> dict[str, Pooled]:
        """By feature what events say of each arm, and last of all arms that have none."""
        end, at = self._end, integers(events[AT])
        known = (at < end) & (integers(events[KNOWN]) <= end) & _valid(events[ARM])
        place = places(events[ARM], pa.array(self.arms, pa.string()))
        found = {}
        for each in aggregates:
            holding, values = _values(events, each.spec)
            counts = known & holding
            if each.window is not None:
                counts &= at >= end - microseconds(each.window)
            nothing = Pooled.initial(len(self.arms) + 1)
            found[each.name] = nothing.update(place[counts], at[counts], values[counts])
        return found

    def _aggregated(self, each: Aggregate, found: Pooled) -> Floats:
        """(A,) of the arms that have features."""
        spec = each.spec
        if isinstance(spec, Rate):
            numbers = found.lift(spec.prior) if spec.aggregation == "lift" else found.rate(spec.prior)
        elif spec.aggregation == "time_since_first":
            numbers = found.since_first(self._end)
        elif spec.aggregation == "time_since_last":
            numbers = found.since_last(self._end)
        else:
            numbers = found.of_values(spec.aggregation)
        return numbers[:-1]

    def _days_from(self, spec: DaysFrom, dates: Mapping[str, str]) -> Floats:
        """(A,) from the day after ds, for which slates are made; NaN where an arm has no such day."""
        tomorrow = end_of(self.ds).date()
        days = (_day(dates.get(arm, "")) for arm in self.arms)
        until = np.array([np.nan if day is None else (day - tomorrow).days for day in days])
        return until if spec.aggregation == "days_until" else -until

    @property
    def _end(self) -> int:
        """In microseconds."""
        return int(end_of(self.ds).timestamp()) * SECOND


def _values(events: pa.Table, spec: FeatureSpec) -> tuple[Bools, Floats]:
    """(m,) each: of which events a feature is, whenever they were, and what each adds to it."""
    if isinstance(spec, Rate):
        return np.ones(events.num_rows, dtype=np.bool_), events[EARNED].to_numpy()
    holding = np.asarray(holds(events, spec.where))
    if isinstance(spec, OfNumbers):
        column = events[spec.column]
        return holding & _valid(column), pc.fill_null(column, 0.0).to_numpy()
    return holding, np.zeros(events.num_rows)


def _earnings(credits: pa.Table, impressions: pa.Table, spec: Rate) -> pa.Table:
    """Impressions, and what each earned within its time, once that is over: then an impression is known,
    whatever it earned. What comes as the time ends comes too late, so that it is known by then."""
    within = pc.less(credits[LAG], spec.within / timedelta(seconds=1))
    mine = credits.filter(pc.and_(within, holds(credits, spec.where)))
    place = place_in(mine[IMPRESSION], impressions[IMPRESSION].combine_chunks())
    there = place >= 0
    earned = np.bincount(place[there], mine[EARNED].to_numpy()[there], minlength=impressions.num_rows)
    at = impressions[AT].cast(INSTANT)
    return pa.table(
        {
            USER: impressions[USER],
            ARM: impressions[ARM],
            AT: at,
            KNOWN: pc.add(at, pa.scalar(spec.within)).cast(INSTANT),
            EARNED: earned,
        }
    )


def _day(text: str) -> date | None:
    """None where there is no such day."""
    with suppress(ValueError):
        return date.fromisoformat(text)
    return None


def _valid(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.is_valid(column), dtype=np.bool_)

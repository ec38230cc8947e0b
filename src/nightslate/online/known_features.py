"""Features of one user at one moment, as nights will say that they were known then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from nightslate.kernels.calendar import Calendar
from nightslate.kernels.consents import Needs, as_agreed
from nightslate.kernels.features import USER
from nightslate.kernels.leaks import AS_OF
from nightslate.kernels.user_features import KnownFeatures, at_moments, columns_read, events_of
from nightslate.online.by_user import ByUser
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import Night
from nightslate.programs.days import days_before, end_of
from nightslate.programs.features import Aggregate, by_source, of_each_user
from nightslate.records.instants import INSTANT


class FeaturesNow(Protocol):
    """What is known of a user who asks."""

    def beside(self, user: pa.Table, posted: pa.Table, at: datetime) -> pa.Table:
        """The row of a user, with features. posted: the user's activity that no night has taken in yet."""
        ...


@dataclass(frozen=True)
class NoFeatures:
    """Of a program that declares none."""

    def beside(self, user: pa.Table, posted: pa.Table, at: datetime) -> pa.Table:  # noqa: ARG002
        """The row as it is."""
        return user


@dataclass(frozen=True)
class AsOfEndOfDay:
    """As of the end of the last day that a night has taken in, by the table `features`."""

    known: KnownFeatures
    features: ByUser
    moment: datetime

    def beside(self, user: pa.Table, posted: pa.Table, at: datetime) -> pa.Table:  # noqa: ARG002
        """The row with features, whatever was posted since."""
        return self.known.as_of(user, self.features.of(user), self.moment)


@dataclass(frozen=True)
class AsOfDecision:
    """As of the moment. aggregates: by the log that they are of; before: what nights have taken in of it;
    calendar: what the moment alone says; needs: by feature that takes a consent the column of the user's row
    that says whether it is given."""

    aggregates: Mapping[str, tuple[Aggregate, ...]]
    before: Mapping[str, ByUser]
    calendar: Calendar = field(default_factory=Calendar)
    needs: Needs = field(default_factory=dict)

    def beside(self, user: pa.Table, posted: pa.Table, at: datetime) -> pa.Table:
        """The row with features."""
        moments = pa.table({USER: user[USER], AS_OF: pa.array([at], INSTANT)})
        for source, of_log in self.aggregates.items():
            events = self.before[source].of(user)
            if source == "activity" and posted.num_rows:
                since = events_of(posted.select(columns_read(source, of_log)), of_log)
                events = pa.concat_tables([events, since])
            found = at_moments(of_log, events, moments)
            for each in of_log:
                user = user.append_column(each.name, found[each.name])
        return as_agreed(self.calendar.beside(user, moments[AS_OF]), self.needs)


def features_now(night: Night) -> FeaturesNow:
    """Those of decisions after this night, of which all is read that there is by now."""
    known, buckets = known_features(night), night.program.buckets
    if known is None:
        return NoFeatures()
    if not known.of_decisions:
        moment = end_of(night.ds)
        given = features_input(night, night.table("features"), night.slate_date)
        return AsOfEndOfDay(known, ByUser(given, buckets, _as_it_is, night.scratch), moment)
    by_log = by_source(of_each_user(night.program.features))
    before = {log: _events_before(night, log, of_log) for log, of_log in by_log.items()}
    return AsOfDecision(by_log, before, known.calendar, known.needs)


def _events_before(night: Night, source: str, of_log: tuple[Aggregate, ...]) -> ByUser:
    longest = max(days_before(each.window or timedelta(0)) for each in of_log)
    first_day = night.slate_date - timedelta(days=longest)
    given = bucket_input(night, night.table(source), columns_read(source, of_log), first_day)
    return ByUser(given, night.program.buckets, lambda rows: events_of(rows, of_log), night.scratch)


def _as_it_is(rows: pa.Table) -> pa.Table:
    return rows

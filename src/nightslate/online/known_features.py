"""Features of one user at one moment, as nights will say that they were known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints
from nightslate.engines import Input
from nightslate.kernels.buckets import buckets_of
from nightslate.kernels.features import USER
from nightslate.kernels.leaks import AS_OF
from nightslate.kernels.user_features import KnownFeatures, at_moments, columns_read, events_of
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import Night
from nightslate.programs.days import days_before, end_of
from nightslate.programs.features import Aggregate, by_source
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
    """As of the moment. aggregates: by the log that they are of; before: what nights have taken in of it."""

    aggregates: Mapping[str, tuple[Aggregate, ...]]
    before: Mapping[str, ByUser]

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
        return user


class ByUser:
    """Rows of a table that are looked up by user. made: what is kept of the rows of a bucket."""

    def __init__(self, given: Input, buckets: int, made: Callable[[pa.Table], pa.Table]) -> None:
        self._given, self._buckets, self._made = given, buckets, made
        self._read: dict[int, tuple[pa.Table, dict[str, int], Ints]] = {}

    def of(self, user: pa.Table) -> pa.Table:
        """The rows of the user of this row."""
        bucket = int(buckets_of(user, self._buckets)[0])
        if bucket not in self._read:
            self._read[bucket] = self._by_user(bucket)
        rows, places, first = self._read[bucket]
        place = places.get(user[USER][0].as_py())
        return (
            rows.slice(0, 0) if place is None else rows.slice(first[place], first[place + 1] - first[place])
        )

    def warm(self) -> None:
        """Reads all buckets, so that nobody who asks waits for that."""
        for bucket in range(self._buckets):
            self._read[bucket] = self._by_user(bucket)

    def _by_user(self, bucket: int) -> tuple[pa.Table, dict[str, int], Ints]:
        """The rows of a bucket by user; the place of each user, and where the rows of each begin."""
        rows, users, first = _together(self._made(self._given.of_bucket(bucket).read(None)))
        return rows, {user: place for place, user in enumerate(users)}, first


def by_user(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each user of some rows, with theirs."""
    rows, users, first = _together(rows)
    for user, begin, end in zip(users, first[:-1], first[1:], strict=True):
        yield user, rows.slice(begin, end - begin)


def _together(rows: pa.Table) -> tuple[pa.Table, list[str], Ints]:
    """The rows by user; the users in that order; where the rows of each begin, and those of the last end."""
    coded = rows[USER].combine_chunks().dictionary_encode()
    codes: Ints = np.asarray(coded.indices, dtype=np.int64)
    users = coded.dictionary.to_pylist()
    first = np.append(0, np.cumsum(np.bincount(codes, minlength=len(users)))).astype(np.int64)
    return rows.take(pa.array(np.argsort(codes, kind="stable"))).combine_chunks(), users, first


def features_now(night: Night) -> FeaturesNow:
    """Those of decisions after this night, of which all is read that there is by now."""
    known, buckets = known_features(night), night.program.buckets
    if known is None:
        return NoFeatures()
    if not known.of_decisions:
        moment = end_of(night.ds)
        read = ByUser(features_input(night, night.table("features"), night.slate_date), buckets, _as_it_is)
        read.warm()
        return AsOfEndOfDay(known, read, moment)
    by_log = by_source(night.program.features)
    return AsOfDecision(by_log, {log: _events_before(night, log, of_log) for log, of_log in by_log.items()})


def _events_before(night: Night, source: str, of_log: tuple[Aggregate, ...]) -> ByUser:
    longest = max(days_before(each.window or timedelta(0)) for each in of_log)
    first_day = night.slate_date - timedelta(days=longest)
    given = bucket_input(night, night.table(source), columns_read(source, of_log), first_day)
    read = ByUser(given, night.program.buckets, lambda rows: events_of(rows, of_log))
    read.warm()
    return read


def _as_it_is(rows: pa.Table) -> pa.Table:
    return rows

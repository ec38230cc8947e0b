"""What the credits of young impressions stand for, from the delays that the sample itself shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import Ints
from nightslate.core.maturity import Credited, Delays, DelaySums
from nightslate.frames.buckets import BucketInput, map_buckets
from nightslate.frames.days import microseconds
from nightslate.frames.packing import pack, unpack

DELAY_COLUMNS = ("kind", "lag_seconds")
"""What is read of credits besides what every program reads."""

_COLUMNS = {
    "impressions": ("impression_id", "occurred_at"),
    "credits": ("impression_id", "credit", *DELAY_COLUMNS),
}
_STATES = pa.schema([("bucket", pa.int32()), ("state", pa.binary())])


@dataclass(frozen=True)
class Kinds:
    """Outcomes that earn something, by kind: how long after an impression they count. `known_at`: credits are
    known of what happened before this moment."""

    windows: Mapping[str, timedelta]
    known_at: datetime

    def windows_us(self) -> Ints:
        """(K,) in microseconds."""
        return np.array([microseconds(window) for window in self.windows.values()], dtype=np.int64)

    def credited(self, impressions: pa.Table, credits_known: pa.Table) -> tuple[Ints, Credited]:
        """The credits of these kinds and of these impressions, and their places among `credits_known`."""
        # Few impressions earn anything: the others need no place in an index.
        earning = pc.is_in(impressions["impression_id"], credits_known["impression_id"].combine_chunks())
        impressions = impressions.filter(earning)
        of = pc.index_in(credits_known["impression_id"], impressions["impression_id"].combine_chunks())
        kind = pc.index_in(credits_known["kind"], pa.array(list(self.windows), pa.string()))
        places = np.flatnonzero(pc.and_(pc.is_valid(of), pc.is_valid(kind)))
        there = credits_known.take(places)
        shown_at = impressions["occurred_at"].take(of.take(places))
        age = pc.subtract(pa.scalar(self.known_at, shown_at.type), shown_at)
        return places, Credited(
            kinds=np.asarray(kind.take(places), dtype=np.int64),
            amounts=there["credit"].to_numpy(),
            lags=np.rint(there["lag_seconds"].to_numpy() * 1e6).astype(np.int64),
            ages=np.asarray(age.cast(pa.int64()), dtype=np.int64),
        )


@dataclass(frozen=True)
class Maturity:
    """What is known of the delays of each kind, and the least share of a kind's credit that an impression
    must have had for it to count."""

    kinds: Kinds
    delays: Delays
    min_seen: float

    @property
    def counts_until(self) -> datetime:
        """Impressions up to this moment count: the youngest that have had enough of their time."""
        return self.kinds.known_at - timedelta(microseconds=self.delays.least_age(self.min_seen))

    def scaled(self, impressions: pa.Table, credits_known: pa.Table) -> pa.Table:
        """The credits, those of `impressions` (all up to `counts_until`) as what they stand for. A credit of
        a kind that earns nothing any more stays what it is."""
        places, credited = self.kinds.credited(impressions, credits_known)
        amounts = credits_known["credit"].to_numpy().copy()
        amounts[places] = self.delays.stands_for(credited)
        at = credits_known.schema.get_field_index("credit")
        return credits_known.set_column(at, "credit", pa.array(amounts, pa.float64()))

    def median_delays(self) -> dict[str, float]:
        """By kind, the days that it takes to see half of the credit, of kinds of which that is known."""
        days = self.delays.medians() / microseconds(timedelta(days=1))
        return {kind: float(d) for kind, d in zip(self.kinds.windows, days, strict=True) if np.isfinite(d)}


def observed_delays(
    spark: SparkSession, inputs: Mapping[str, BucketInput], kinds: Kinds, buckets: int
) -> Delays:
    """The delays of the credits of a sample, of impressions of whatever age: one pass over `impressions` and
    `credits` of the inputs."""
    windows = kinds.windows_us()

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        _, credited = kinds.credited(tables["impressions"], tables["credits"])
        sums = DelaySums.zero(len(windows)).update(windows, credited)
        packed = {"bucket": [bucket], "state": [pack(sums.arrays())]}
        yield from pa.table(packed, schema=_STATES).to_batches()

    narrow = {
        name: replace(inputs[name], schema=pa.schema([inputs[name].schema.field(c) for c in columns]))
        for name, columns in _COLUMNS.items()
    }
    found = map_buckets(spark, narrow, kernel, from_arrow_schema(_STATES), buckets).toArrow()
    sums = DelaySums.zero(len(windows))
    # In the order of buckets, so that float sums are equal from run to run.
    for state in found.sort_by("bucket")["state"].to_pylist():
        sums = sums.merge(DelaySums.from_arrays(unpack(state)))
    return sums.delays(windows)

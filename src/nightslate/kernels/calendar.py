"""The day of the week and the hour of moments, by the clocks of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.show_times import zone_named
from nightslate.programs.contacts import WEEKDAYS
from nightslate.programs.days import microseconds
from nightslate.programs.features import OfMoment

_UTC = "UTC"


@dataclass(frozen=True)
class Calendar:
    """Features of the moment alone, by name."""

    wanted: Mapping[str, OfMoment] = field(default_factory=dict)

    def beside(self, rows: pa.Table, moments: pa.ChunkedArray) -> pa.Table:
        """Rows with those of their moment whose column of zones is among theirs. Who has no zone, or one that
        is not known, has that of UTC."""
        for name, spec in self.wanted.items():
            if spec.zone is None or spec.zone in rows.column_names:
                local = _local(moments, None if spec.zone is None else rows[spec.zone].cast(pa.string()))
                found = _day(local) if spec.aggregation == "day_of_week" else _hour(local)
                rows = rows.append_column(name, found)
        return rows


def _local(moments: pa.ChunkedArray, zones: pa.ChunkedArray | None) -> pa.Array:
    """(n,) the times that clocks show."""
    found = np.asarray(_shown(moments.combine_chunks(), _UTC)).copy()
    for zone in pc.unique(zones).drop_null().to_pylist() if zones is not None else ():
        if zone_named(zone) is not None:
            there = np.flatnonzero(pc.fill_null(pc.equal(zones, zone), False))
            found[there] = _shown(moments.combine_chunks().take(pa.array(there)), zone)
    return pa.array(found)


def _shown(moments: pa.Array, zone: str) -> pa.Array:
    return pc.local_timestamp(moments.cast(pa.timestamp("us", zone)))


def _day(local: pa.Array) -> pa.Array:
    return pa.array(WEEKDAYS, pa.string()).take(pc.day_of_week(local))


def _hour(local: pa.Array) -> pa.Array:
    """With minutes and seconds as its fraction."""
    since_midnight = pc.subtract(local, pc.floor_temporal(local, unit="day")).cast(pa.int64())
    return pc.divide(since_midnight.cast(pa.float64()), microseconds(timedelta(hours=1)))

"""Credits as events of users: whose they are, when they were earned, and of which arm."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.features import AT, LANDED, USER
from nightslate.programs.features import ARM
from nightslate.records.instants import INSTANT

DAY, LAG, IMPRESSION = "ds", "lag_seconds", "impression_id"
OF_IMPRESSIONS = (IMPRESSION, USER, AT, ARM)
OF_CREDITS = (IMPRESSION, LAG, DAY)
"""What is looked at of impressions and of credits, besides the columns that features look at."""

_ONE_DAY, _MICROSECONDS = pa.scalar(timedelta(days=1)), 1e6


def as_events(credits: pa.Table, impressions: pa.Table) -> pa.Table:
    """Credits of some impressions. They happen when their outcome does, and land once the day is over whose
    night gives them."""
    place = pc.index_in(credits[IMPRESSION], impressions[IMPRESSION].combine_chunks())
    mine = credits.filter(pc.is_valid(place))
    shown = impressions.select([USER, AT, ARM]).take(place.drop_null())
    lags = np.rint(mine[LAG].to_numpy() * _MICROSECONDS).astype("timedelta64[us]")
    earned = {
        USER: shown[USER],
        AT: pc.add(shown[AT].cast(INSTANT), pa.array(lags)),
        LANDED: pc.add(mine[DAY].cast(INSTANT), _ONE_DAY).cast(INSTANT),
        ARM: shown[ARM],
    }
    looked_at = {name: mine[name] for name in mine.column_names if name not in (IMPRESSION, DAY)}
    return pa.table({**earned, **looked_at})

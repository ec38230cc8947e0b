"""Clocks that disagree: outcomes that seem to come before the impression that they name."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.verdicts import rejected


def with_early_ones_rejected(outcomes: pa.Table, impressions: pa.Table, skew: timedelta) -> pa.Table:
    """Conformed outcomes, with a verdict on those that came more than `skew` before the impression that they
    name, if it is among `impressions` (the accepted ones of the day) and the same user's. What to think of
    outcomes that name any other is left to attribution."""
    place = pc.index_in(outcomes["impression_id"], impressions["impression_id"].combine_chunks())
    shown_at, shown_to = (impressions[name].take(place) for name in ("occurred_at", "user_id"))
    earliest = pc.subtract(shown_at, pa.scalar(skew, pa.duration("us")))
    early = pc.and_(pc.equal(shown_to, outcomes["user_id"]), pc.less(outcomes["occurred_at"], earliest))
    early = pc.fill_null(early, False)
    clause = f"occurred_at is at most {skew} before that of the impression named"
    return rejected(outcomes, early, "before_impression", clause)

"""Clocks that disagree: outcomes that seem to come before the impression that they name."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_early_ones_rejected(outcomes: DataFrame, impressions: DataFrame, skew: timedelta) -> DataFrame:
    """Conformed outcomes, with a verdict on those that came more than `skew` before the impression that they
    name, if it is among `impressions` (the accepted ones of the day) and the same user's. What to think of
    outcomes that name any other is left to attribution."""
    shown = impressions.select("impression_id", "user_id", F.col("occurred_at").alias("_shown_at"))
    early = F.col("_shown_at") > F.col("occurred_at") + F.lit(skew)
    clause = F.lit(f"occurred_at is at most {skew} before that of the impression named")
    return (
        outcomes.join(shown, ["impression_id", "user_id"], "left")
        .withColumns(
            {
                "_reason": F.when(early, F.lit("before_impression")),
                "_clause": F.when(early, clause),
            }
        )
        .select(outcomes.columns)
    )

"""What nights know of the visitors of a day, beside what the world knows."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

from nightslate.pipeline.feature_table import known_features, with_features_of_arms
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import end_of


def with_features(night: IssueNight, visitors: pa.Table, day: date) -> pa.Table:
    """Rows of visitors of a day, of raw ids, with their features as of the end of the day before: by these
    slates of the day are made, and they stand beside its impressions in the logs."""
    known = known_features(night)
    if known is None:
        return visitors
    users, before = visitors["user_id"].combine_chunks(), day - timedelta(days=1)
    pseudonyms = night.pseudonymiser(users) if night.pseudonymiser else users
    rows = night.table("features").rows(before, before)
    known = with_features_of_arms(night.at(before), known, night.table("features_of_arms"), day)
    return known.as_of(visitors.set_column(0, "user_id", pseudonyms), rows, end_of(before))

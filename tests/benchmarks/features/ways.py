"""The same twelve features of the same files, by nightslate and as one would write them in SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from nightslate.files.features.features import features
from nightslate.programs.features_file import FeaturesFile

SPEC = FeaturesFile.model_validate(
    yaml.safe_load(
        """
features:
  views: {aggregation: count, where: {kind: page_view}, windows: [1d, 7d]}
  pricing_views: {aggregation: count, where: {kind: page_view, page: pricing}, window: 7d}
  pricing_seconds:
    {aggregation: sum, column: seconds, where: {kind: page_view, page: pricing}, windows: [1d, 7d]}
  seconds_a_view: {aggregation: mean, column: seconds, where: {kind: page_view}, window: 7d}
  longest_view: {aggregation: max, column: seconds, where: {kind: page_view}, window: 7d}
  most_seconds: {aggregation: quantile, quantile: 0.9, column: seconds, where: {kind: page_view}, window: 7d}
  errors: {aggregation: count, where: {kind: error}, window: 7d}
  pages: {aggregation: distinct, column: page, window: 7d}
  last_page: {aggregation: last, column: page, where: {kind: page_view}, window: 14d}
  since_error: {aggregation: time_since_last, where: {kind: error}, window: 14d}
columns: {page: category}
"""
    )
)

_SQL = """
copy (
    with either as (
        select user_id, occurred_at as moment, kind = 'page_view' as is_view, page = 'pricing' as is_pricing,
            kind = 'error' as is_error, page, seconds, false as asked
        from read_parquet($activity)
        union all
        select user_id, as_of, false, false, false, null, null, true from read_parquet($as_of)
    )
    select user_id, moment as as_of,
        count(*) filter (where is_view) over day as views_1d,
        count(*) filter (where is_view) over week as views_7d,
        count(*) filter (where is_view and is_pricing) over week as pricing_views,
        coalesce(sum(seconds) filter (where is_view and is_pricing) over day, 0) as pricing_seconds_1d,
        coalesce(sum(seconds) filter (where is_view and is_pricing) over week, 0) as pricing_seconds_7d,
        avg(seconds) filter (where is_view) over week as seconds_a_view,
        max(seconds) filter (where is_view) over week as longest_view,
        quantile_cont(seconds, 0.9) filter (where is_view) over week as most_seconds,
        count(*) filter (where is_error) over week as errors,
        count(distinct page) over week as pages,
        last_value(case when is_view then page end ignore nulls) over fortnight as last_page,
        (epoch_us(moment) - epoch_us(max(moment) filter (where is_error) over fortnight)) / 1e6 as since_error
    from either
    window
        day as (partition by user_id order by moment range between interval 1 day preceding
            and interval 1 microsecond preceding),
        week as (partition by user_id order by moment range between interval 7 days preceding
            and interval 1 microsecond preceding),
        fortnight as (partition by user_id order by moment range between interval 14 days preceding
            and interval 1 microsecond preceding)
    qualify asked
) to $out (format parquet)
"""


def by_duckdb(activity: Path, as_of: Path, out: Path, threads: int) -> None:
    """Its windows over the union of both files, on so many threads."""
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        paths = {"activity": str(activity), "as_of": str(as_of), "out": str(out)}
        connection.execute(_SQL, paths)


def by_file_command(activity: Path, as_of: Path, out: Path) -> None:
    """As `nightslate features` does it."""
    features(activity, SPEC, as_of, out, progress=_silent)


def _silent(*_: object) -> None:
    """Nobody is told."""

"""A column of moments; what is none, or says no time zone, makes its row a bad one."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.files.bad_rows import BadRows

INSTANT = pa.timestamp("us", "UTC")

_NAIVE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ZONED = _NAIVE + r"(Z|[+-]\d\d(:?\d\d)?)$"


def instants(table: pa.Table, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) of type INSTANT: timestamps with a time zone, or ISO text with one; null where the row is bad."""
    column = table[name]
    bad.blame(_mask(pc.is_null(column)), f"{name} is missing")
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return pc.cast(column, INSTANT, safe=False)
    if pa.types.is_timestamp(column.type):
        bad.blame(_mask(pc.is_valid(column)), f"{name} has no time zone: store it as a timestamp in UTC")
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _parsed(pc.utf8_trim_whitespace(column), name, bad)
    else:
        bad.blame(_mask(pc.is_valid(column)), f"{name} is neither a timestamp nor ISO text")
    return pa.chunked_array([pa.nulls(len(column), INSTANT)])


def _parsed(texts: pa.ChunkedArray, name: str, bad: BadRows) -> pa.ChunkedArray:
    naive = pc.fill_null(pc.match_substring_regex(texts, _NAIVE + "$"), False)
    bad.blame(_mask(naive), f"{name} has no time zone: write 2026-01-31T08:00:00Z")
    zoned = pc.if_else(pc.match_substring_regex(texts, _ZONED), texts, pa.scalar(None, texts.type))
    try:
        parsed = pc.cast(zoned, INSTANT)
    except pa.ArrowInvalid:  # a 30th of February somewhere
        parsed = pa.chunked_array([[_moment(text) for text in zoned.to_pylist()]], INSTANT)
    bad.blame(_mask(pc.and_not(pc.is_valid(texts), pc.is_valid(parsed))), f"{name} is not an ISO time")
    return parsed


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _mask(flags: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(flags, dtype=np.bool_)

"""Columns of moments: timestamps with a time zone, or ISO text with one, to the microsecond."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.records.chunks import Wrong
from nightslate.records.values import Values, mask, plain, plain_type, unfit, without

INSTANT = pa.timestamp("us", "UTC")

NAIVE = Wrong("naive_timestamp", "has no time zone: write 2026-01-31T08:00:00Z", "has a time zone")
NAIVE_TYPE = Wrong("naive_timestamp", "has no time zone: store it as a timestamp in UTC", "has a time zone")
NOT_ISO = Wrong("wrong_type", "is not an ISO time")
NO_TIME = Wrong("wrong_type", "is neither a timestamp nor ISO text")
TOO_FAR = Wrong("wrong_type", "is further from 1970 than 290,000 years", "is within 290,000 years of 1970")

_PER_UNIT = {"s": 1_000_000, "ms": 1_000}
_DAY, _TIME = r"\d{4}-\d\d-\d\d", r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
_NAIVE = rf"^{_DAY}({_TIME})?$"
ZONED = rf"^{_DAY}{_TIME}(Z|[+-]\d\d(:?\d\d)?)$"
_FINE = r"\.\d{7}"
_FINER = r"(\.\d{6})\d+"


def are_instants(kind: pa.DataType) -> bool:
    """Whether values of a type can be moments."""
    kind = plain_type(kind)
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_null(kind) or (types.is_timestamp(kind) and kind.tz is not None)
    )


def instants(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) of type INSTANT. What is finer than a microsecond is cut off: of 08:00:00.123456789Z remains
    08:00:00.123456Z."""
    values = plain(values)
    if pa.types.is_string(values.type):
        return _of_text(values)
    if pa.types.is_null(values.type):
        return Values(values.cast(INSTANT))
    if not pa.types.is_timestamp(values.type):
        return unfit(values, INSTANT, NO_TIME)
    if values.type.tz is None:
        return unfit(values, INSTANT, NAIVE_TYPE)
    if values.type.unit == "ns":
        values = pc.floor_temporal(values.cast(pa.timestamp("ns", "UTC")), unit="microsecond")
    return _within_reach(values)


def _within_reach(values: pa.Array) -> Values:
    """Microseconds of 64 bits do not reach as far as seconds and milliseconds do."""
    try:
        return Values(values.cast(INSTANT))
    except pa.ArrowInvalid:
        farthest = 2**63 // _PER_UNIT[values.type.unit] - 1
        wrong = mask(pc.greater(pc.abs(values.cast(pa.int64())), farthest))
        return Values(without(values, wrong).cast(INSTANT), ((wrong, TOO_FAR),))


def _of_text(values: pa.Array) -> Values:
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    naive = mask(pc.match_substring_regex(trimmed, _NAIVE))
    is_zoned = mask(pc.match_substring_regex(trimmed, ZONED))
    zoned = without(trimmed, ~is_zoned)
    if pc.any(pc.match_substring_regex(zoned, _FINE)).as_py():
        zoned = pc.replace_substring_regex(zoned, _FINER, r"\1")
    try:
        parsed = pc.cast(zoned, INSTANT)
    except pa.ArrowInvalid:  # a 30th of February somewhere
        parsed = pa.array([_moment(text) for text in zoned.to_pylist()], INSTANT)
    wrong = mask(pc.is_valid(trimmed)) & ~naive & ~mask(pc.is_valid(parsed))
    return Values(parsed, ((naive, NAIVE), (wrong, NOT_ISO)))


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None

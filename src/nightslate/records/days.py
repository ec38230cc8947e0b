"""Columns of days: dates, timestamps, or ISO text that begins with a date."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.records.chunks import Wrong
from nightslate.records.instants import ZONED, instants
from nightslate.records.values import Values, mask, plain, unfit, without

NOT_A_DAY = Wrong("wrong_type", "is not a day: write 2026-01-31")

_DAY = r"^\d{4}-\d\d-\d\d([T ].*)?$"


def days(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) date32. A moment with a time zone is of its day in UTC, one without of the day that it says."""
    values = plain(values)
    if pa.types.is_string(values.type):
        return _of_text(values)
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type) or pa.types.is_null(values.type):
        return Values(pc.cast(values, pa.date32(), safe=False))
    return unfit(values, pa.date32(), NOT_A_DAY)


def _of_text(values: pa.Array) -> Values:
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    zoned = mask(pc.match_substring_regex(trimmed, ZONED))
    begins = pc.utf8_slice_codeunits(
        without(trimmed, ~mask(pc.match_substring_regex(trimmed, _DAY)) | zoned), 0, 10
    )
    own = pc.cast(pc.strptime(begins, "%Y-%m-%d", unit="s", error_is_null=True), pa.date32())
    # of a 30th of February it makes the 2nd of March
    own = without(own, ~mask(pc.equal(pc.strftime(own, "%Y-%m-%d"), begins)))
    found = own
    if zoned.any():
        found = pc.coalesce(own, pc.cast(instants(without(trimmed, ~zoned)).array, pa.date32(), safe=False))
    wrong = mask(pc.is_valid(trimmed)) & ~mask(pc.is_valid(found))
    return Values(found, ((wrong, NOT_A_DAY),))

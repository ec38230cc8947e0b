"""Messages of a queue as lines of a landing file, and the day that each belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints
from nightslate.programs.strict import FIRST_DAY, LAST_DAY
from nightslate.records.instants import instants
from nightslate.records.json_lines import is_object, read_json_lines
from nightslate.records.sources import NOT_ANY_LINE

EVENT_TIME = "occurred_at"
"""The column of a log that says when something happened. Where a log has it, ingest wants rows of its day."""

DAYS_BEFORE, DAYS_AFTER = 366, 1
"""How far before and after a message's own day its event may lie. An event further off has a wrong clock: its
message lands on its own day, where ingest quarantines it and a night says so."""

_EPOCH = date(1970, 1, 1).toordinal()
_FIRST, _LAST = FIRST_DAY.toordinal() - _EPOCH, LAST_DAY.toordinal() - _EPOCH
_MILLISECONDS, _MICROSECONDS = 86_400_000, 86_400_000_000


class Message(NamedTuple):
    """One message. stamp: the queue's time of it, in milliseconds since 1970, negative if it has none; value:
    None of a tombstone."""

    partition: int
    offset: int
    stamp: int
    value: bytes | None


def line(value: bytes | None) -> bytes:
    """A message as exactly one record of JSON lines: byte for byte as it came, where that is one line.

    An object that goes over several lines has spaces for its line breaks. What else would be no record or
    several, such as nothing, is a JSON string of its bytes (as Latin-1): no object, so ingest quarantines it
    as one. A tombstone is null, with the same end."""
    if value is None:
        return b"null"
    broken = b"\n" in value or b"\r" in value
    if not broken and value.strip() and not value.startswith(NOT_ANY_LINE):
        return value
    if broken and is_object(value):
        return value.replace(b"\r", b" ").replace(b"\n", b" ")
    return json.dumps(value.decode("latin-1")).encode()


def days(lines: Sequence[bytes], stamps: Sequence[int], by_event: bool) -> list[date]:
    """(n,) the UTC day of each message: of its event, where `by_event` asks for that and the line tells a
    time that is not further from the message's own than it may be; else of the message itself."""
    own: Ints = np.asarray(stamps, dtype=np.int64) // _MILLISECONDS
    told = (own >= _FIRST) & (own <= _LAST)
    found = np.clip(own, _FIRST, _LAST)
    if by_event and lines:
        for chunk in read_json_lines(iter([b"".join(text + b"\n" for text in lines)])):
            if EVENT_TIME in chunk.rows.column_names:
                at = chunk.numbers - 1
                happened = instants(chunk.rows[EVENT_TIME]).array.cast(pa.int64())
                of_event = np.asarray(happened.fill_null(2**63 - 1), dtype=np.int64) // _MICROSECONDS
                distance = of_event - own[at]
                near = (distance >= -DAYS_BEFORE) & (distance <= DAYS_AFTER) | ~told[at]
                near &= (of_event >= _FIRST) & (of_event <= _LAST)
                found[at[near]] = of_event[near]
    return [date.fromordinal(day + _EPOCH) for day in found.tolist()]

"""Messages of a topic as the files of one micro-batch: what is in a file, and its name, follow from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from nightslate.landing.batches import LandedFile
from nightslate.landing.messages import Message, days, line


def by_partition(messages: Iterable[Message]) -> dict[int, list[Message]]:
    """The messages of each partition, in their order."""
    found: dict[int, list[Message]] = {}
    for message in messages:
        found.setdefault(message.partition, []).append(message)
    return found


def by_day(messages: Sequence[Message], by_event: bool) -> dict[date, tuple[list[Message], bytes]]:
    """The messages of a partition that belong to each day, and the text of the day's file."""
    lines = [line(message.value) for message in messages]
    places: dict[date, list[int]] = {}
    for place, day in enumerate(days(lines, [message.stamp for message in messages], by_event)):
        places.setdefault(day, []).append(place)
    return {
        day: ([messages[place] for place in mine], b"".join(lines[place] + b"\n" for place in mine))
        for day, mine in sorted(places.items())
    }


def files_of(
    messages: Sequence[Message], prefix: str, by_event: bool, is_late: Callable[[date], bool]
) -> dict[LandedFile, bytes]:
    """Each file of a micro-batch and its text, named PREFIX-PARTITION-FIRST-LAST."""
    return {
        LandedFile(
            name=f"{prefix}-{partition}-{mine[0].offset}-{mine[-1].offset}.jsonl",
            ds=day,
            late=is_late(day),
            partition=partition,
            first=mine[0].offset,
            last=mine[-1].offset,
            messages=len(mine),
            sha256=hashlib.sha256(text).hexdigest(),
        ): text
        for partition, found in by_partition(messages).items()
        for day, (mine, text) in by_day(found, by_event).items()
    }


def newest(messages: Mapping[int, Sequence[Message]], before: Mapping[int, int], now: int) -> dict[int, int]:
    """The time of the newest message of each partition, of these and those before, in milliseconds since
    1970. A message from after now has a wrong clock, and tells nothing."""
    found = dict(before)
    for partition, mine in messages.items():
        stamps = [message.stamp for message in mine if message.stamp <= now]
        if stamps:
            found[partition] = max(*stamps, found.get(partition, stamps[0]))
    return found

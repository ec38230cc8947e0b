"""Where a topic is read on from, and what stops that: messages that are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nightslate.errors import LandingError, UnavailableError
from nightslate.landing.topic import Topic, out_of_bounds


@dataclass(frozen=True)
class Beginning:
    """offsets: the first to land of each partition. skips: of partitions that can't go on at the next one,
    the offsets from that one up to the one that they go on at. topic_id: empty where it is not known."""

    offsets: dict[int, int]
    topic_id: str
    skips: dict[int, tuple[int, int]] = field(default_factory=dict)


def beginning(topic: Topic, landed: Mapping[int, int], known_id: str, restart: bool) -> Beginning:
    """Each partition goes on at the offset after those landed, and begins at the first that it has.

    Raises LandingError where it does not have that offset any more, or is another topic by now; with
    `restart` it goes on at the first that it has. Raises UnavailableError where the broker does not tell the
    topic's id, which it did before."""
    bounds = {partition: topic.bounds(partition) for partition in topic.partitions()}
    found_id = topic.id()
    if known_id and not found_id and not restart:
        raise UnavailableError(
            f"{topic.source}: the broker does not tell the topic's id, so nobody knows whether it is still"
            f" the topic that was landed, {known_id}. Nothing was read; try again"
        )
    offsets = {partition: landed.get(partition, low) for partition, (low, _) in bounds.items()}
    gone = sorted(landed.keys() - bounds.keys())
    made_anew = bool(known_id and found_id and known_id != found_id) or bool(gone)
    if made_anew and not restart:
        how = f"partition {gone[0]} is gone" if gone else f"its id was {known_id}, and is {found_id}"
        raise LandingError(
            f"{topic.source} was made anew since it was landed: {how}. The next offsets to land were"
            f" {dict(landed)}; whether all that came before them has landed, nobody can tell. Nothing was"
            " skipped. To land the new topic from its beginning, and have that recorded, add --restart"
        )
    skips = {}
    for partition, (low, high) in bounds.items():
        after = offsets[partition]
        # Not every broker tells the end; where it tells an id, that is the better sign.
        beyond = restart and not found_id and after > high
        if after < low and not restart:
            raise out_of_bounds(topic.source, partition, after, low, high)
        if partition in landed and (made_anew or after < low or beyond):
            skips[partition], offsets[partition] = (after, low), low
    return Beginning(offsets, found_id or known_id, skips)

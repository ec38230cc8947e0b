"""A log that is fed from a topic: read on, in micro-batches that have each message once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from nightslate.errors import LandingError, SpecError
from nightslate.landing.batches import Batch, Batches, LandedFile
from nightslate.landing.beginning import beginning
from nightslate.landing.log import Log
from nightslate.landing.messages import Message
from nightslate.landing.micro_batch import by_partition, files_of, newest
from nightslate.landing.objects import put_settled
from nightslate.landing.options import Until
from nightslate.landing.reading_again import read_again
from nightslate.landing.topic import Topic
from nightslate.programs.days import end_of

BATCH_BYTES = 64 << 20
BATCH_SECONDS = 60.0
"""A micro-batch is put once it holds so much, or its first message came so long ago."""


@dataclass
class Landed:
    """What a run has done. messages: of each day; late: of each day, those that wait beside it. holes:
    offsets without a message. skipped: offsets recorded as lost. left_open: why --close closed no more."""

    messages: dict[date, int] = field(default_factory=dict)
    late: dict[date, int] = field(default_factory=dict)
    files: int = 0
    holes: int = 0
    skipped: int = 0
    closed: tuple[date, ...] = ()
    reopened: date | None = None
    left_open: str = ""


class Landing:
    """A log as its newest record says, all of which lies where it should. next: of each partition, the offset
    to land next."""

    def __init__(self, topic: Topic, log: Log, restart: bool = False) -> None:
        """Completes what a run that was killed had begun. `restart`: what is gone is recorded as lost, where
        a LandingError else stops. Raises SpecError where the log is fed from another topic."""
        self.topic, self.log, self.landed = topic, log, Landed()
        self._restart, self._batches = restart, Batches(log.records)
        self._number, last = self._batches.last()
        self._last = last or Batch.before_the_first(topic.source.topic)
        self.next = dict(self._last.next)
        if self._last.topic != topic.source.topic:
            raise SpecError(
                f"{log} is fed from the topic {self._last.topic}, not from {topic.source.topic}: a log has"
                f" one topic. To change over for good, move {log.records} away; what has landed stays"
            )
        if last and not self._batches.is_done(self._number):
            self._complete_begun()

    def land(self, until: Until, batch_messages: int) -> None:
        """Read on until `until` says so, in batches of at most so many messages. Raises LandingError where
        the next messages are gone."""
        self._begin()
        ends = time.monotonic() + until.seconds if until.seconds else None
        batch: list[Message] = []
        read, size, begun = 0, 0, 0.0
        for found in self.topic.polled(self.next):
            wanted = found[: until.messages - read] if until.messages else found
            begun = begun if batch else time.monotonic()
            batch += wanted
            read += len(wanted)
            size += sum(len(message.value or b"") for message in wanted)
            at_end = len(self.topic.at_end) == len(self.next)
            done = read == until.messages or (time.monotonic() >= ends if ends else at_end)
            full = done or size >= BATCH_BYTES or time.monotonic() - begun >= BATCH_SECONDS
            while len(batch) >= batch_messages or (batch and full):
                self._land_batch(batch[:batch_messages])
                batch, size = batch[batch_messages:], 0
            if done:
                return

    def close(self, chosen: date | timedelta) -> None:
        """Put the marker of a day; or of each day that has files and that the messages of every partition are
        past by so much, so that none of it is expected any more."""
        if isinstance(chosen, date):
            self._put(closes=(chosen,))
            return
        over = tuple(day for day in self._last.open if self._is_past(end_of(day) + chosen))
        if over:
            self._put(closes=over)
        if self._last.open:
            self.landed.left_open = f"{', '.join(map(str, self._last.open))}: {self._slowest()}"

    def reopen(self, day: date) -> None:
        """Put what waits beside a day into it. Raises SpecError where nothing does."""
        if day not in self.log.waiting():
            raise SpecError(f"--reopen {day}: no message waits beside {self.log.day(day)}")
        self._put(reopens=day)

    def _begin(self) -> None:
        found = beginning(self.topic, self.next, self._last.topic_id, self._restart)
        gone = self.next.keys() - found.offsets.keys()
        self.next, self._last = found.offsets, self._last.of_topic(found.topic_id)
        self.log.make_folder()
        if found.skips or gone:
            self.landed.skipped += sum(max(to - after, 0) for after, to in found.skips.values())
            kept = {p: stamp for p, stamp in self._last.newest.items() if p in found.offsets}
            self._put(newest=kept, skips=found.skips)

    def _land_batch(self, messages: list[Message]) -> None:
        found = by_partition(messages)
        prefix = f"kafka-{self._number + 1}-{self._last.topic}"
        texts = files_of(messages, prefix, self.log.by_event, self.log.is_closed)
        after = {partition: mine[-1].offset + 1 for partition, mine in found.items()}
        self.landed.holes += sum(after[p] - self.next[p] for p in after) - len(messages)
        self.next |= after
        stamps = newest(found, self._last.newest, time.time_ns() // 1_000_000)
        self._put(texts, newest=stamps, files=tuple(texts))
        self.landed.files += len(texts)
        for file in texts:
            counts = self.landed.late if file.late else self.landed.messages
            counts[file.ds] = counts.get(file.ds, 0) + file.messages

    def _put(self, texts: Mapping[LandedFile, bytes] | None = None, **changes: Any) -> None:
        """Put the next record, then do what it says."""
        batch = self._last.followed_by(at=datetime.now(UTC), next=self.next, **changes)
        still_open = tuple(day for day in batch.open if not self.log.is_closed(day))
        batch = batch.model_copy(update={"open": still_open})
        self._batches.put(self._number + 1, batch)
        self._number, self._last = self._number + 1, batch
        self._complete(texts or {})

    def _complete(self, texts: Mapping[LandedFile, bytes]) -> None:
        """Do what the newest record says. Whoever was killed at it, or is at it too, does no harm."""
        batch = self._last
        for file in self._unfinished():
            put_settled(self.log.folder(file) / file.name, texts[file])
        for day in batch.closes:
            self.log.close(day)
        if batch.reopens:
            self.log.reopen(batch.reopens)
        self._batches.mark_done(self._number)
        self.landed.closed = tuple(sorted({*self.landed.closed, *batch.closes}))
        self.landed.reopened = batch.reopens or self.landed.reopened

    def _complete_begun(self) -> None:
        """Do what the newest record says, in place of the process that put it."""
        unfinished = self._unfinished()
        try:
            self._complete(read_again(self.topic, self.log, unfinished))
        except LandingError:
            if not self._restart:
                raise
            for file in unfinished:
                (self.log.folder(file) / file.name).unlink(missing_ok=True)
                self.landed.skipped += file.messages
            self._put(skips={file.partition: (file.first, file.last + 1) for file in unfinished})

    def _unfinished(self) -> list[LandedFile]:
        return [file for file in self._last.files if not file.is_whole(self.log.folder(file))]

    def _is_past(self, moment: datetime) -> bool:
        """Whether the newest message of every partition is of this moment or later."""
        least = moment.timestamp() * 1000
        return all(self._last.newest.get(partition, -1) >= least for partition in self.next)

    def _slowest(self) -> str:
        """The partition that holds up the days that are open."""
        stamps = self._last.newest
        partition = min(self.next, key=lambda partition: stamps.get(partition, -1))
        if partition not in stamps:
            return f"partition {partition} has no message yet"
        newest_at = datetime.fromtimestamp(stamps[partition] / 1000, UTC)
        return f"the newest message of partition {partition} is of {newest_at:%Y-%m-%d %H:%M:%S} UTC"

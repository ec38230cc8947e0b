"""Files that a killed run had begun, from the messages that they were to hold."""

from __future__ import annotations

from collections.abc import Sequence

from nightslate.errors import LandingError
from nightslate.landing.batches import LandedFile
from nightslate.landing.log import Log
from nightslate.landing.messages import Message
from nightslate.landing.micro_batch import by_day
from nightslate.landing.topic import Topic


def read_again(topic: Topic, log: Log, files: Sequence[LandedFile]) -> dict[LandedFile, bytes]:
    """The text of each file. Raises LandingError where the topic does not hold the same messages any more."""
    if not files:
        return {}
    messages = _between(topic, files)
    texts = {}
    for file in files:
        mine = [m for m in messages if m.partition == file.partition and file.first <= m.offset <= file.last]
        texts[file] = by_day(mine, log.by_event).get(file.ds, ([], b""))[1]
        if not file.is_text(texts[file]):
            raise LandingError(
                f"{log.folder(file) / file.name} was being written when the process was killed, and"
                f" {topic.source}, partition {file.partition}, does not hold the same messages from offset"
                f" {file.first} to {file.last} any more ({len(mine)} messages; {file.messages} of {file.ds}"
                " were among them). To go on without this file, and have that recorded, add --restart"
            )
    return texts


def _between(topic: Topic, files: Sequence[LandedFile]) -> list[Message]:
    """The messages from the first to the last of the files of each partition."""
    begin: dict[int, int] = {}
    ends: dict[int, int] = {}
    for file in files:
        begin[file.partition] = min(file.first, begin.get(file.partition, file.first))
        ends[file.partition] = max(file.last, ends.get(file.partition, file.last))
    read: list[Message] = []
    missing = set(ends)
    for found in topic.polled(begin):
        read += [message for message in found if message.offset <= ends[message.partition]]
        missing -= {message.partition for message in found if message.offset >= ends[message.partition]}
        if missing <= topic.at_end:
            break
    return read

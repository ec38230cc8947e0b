"""A topic as its broker has it. No consumer group: what was read is for the records of a log to say."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from nightslate.errors import LandingError, MachineError, SpecError, UnavailableError
from nightslate.landing.messages import Message
from nightslate.landing.options import Source

_ANSWER_SECONDS = 10.0
_STALL_SECONDS = 30.0
_POLL_SECONDS = 0.05
_POLL_MESSAGES = 1000


class Topic:
    """Leaving the block ends the connection. Raises MachineError where the extra `kafka` is not installed,
    UnavailableError where no broker answers, SpecError where there is no such topic."""

    def __init__(self, source: Source) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise MachineError(
                "reading from Kafka needs the package confluent-kafka, which is not installed: pip install"
                ' "nightslate[engine,kafka]"'
            ) from error
        self.source = source
        self._kafka = confluent_kafka
        common: dict[str, str | int | float | bool] = {
            **dict(source.settings),
            "bootstrap.servers": source.servers,
            "log_level": 0,
        }
        ours = {
            "group.id": "nightslate",  # asked for, and never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        try:
            self._consumer = confluent_kafka.Consumer({**common, **ours})
        except confluent_kafka.KafkaException as error:
            raise SpecError(f"--config: {source.without_secrets(error.args[0].str())}") from None
        self._common = common
        self.at_end: set[int] = set()

    def __enter__(self) -> Topic:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._consumer.close()

    def partitions(self) -> list[int]:
        """The numbers of the partitions that there are."""
        found = self._asked(self._consumer.list_topics, self.source.topic, _ANSWER_SECONDS)
        topic = found.topics[self.source.topic]
        if topic.error is not None and topic.error.code() == self._kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise SpecError(f"{self.source}: there is no such topic")
        if topic.error is not None:
            raise UnavailableError(f"{self.source}: {topic.error.str()}")
        return sorted(topic.partitions)

    def id(self) -> str:
        """What tells this topic from an earlier one of its name; empty where the broker has no ids."""
        from confluent_kafka.admin import AdminClient

        names = self._kafka.TopicCollection([self.source.topic])
        admin = AdminClient(self._common)
        asked = admin.describe_topics(names, request_timeout=_ANSWER_SECONDS / 2)
        try:
            return str(asked[self.source.topic].result(_ANSWER_SECONDS).topic_id)
        except (self._kafka.KafkaException, TimeoutError):
            return ""

    def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that the broker still has, and the one that its next message will have."""
        place = self._kafka.TopicPartition(self.source.topic, partition)
        low, high = self._asked(self._consumer.get_watermark_offsets, place, _ANSWER_SECONDS)
        return int(low), int(high)

    def polled(self, begin: Mapping[int, int]) -> Iterator[list[Message]]:
        """The messages from these offsets on, those of a partition in their order; none at all where there is
        nothing new for a moment. Never ends; `at_end` has the partitions that have been at their end since.
        Raises LandingError where an offset is not there any more, or not yet, UnavailableError where nothing
        comes though it should."""
        self.at_end = set()
        places = [self._kafka.TopicPartition(self.source.topic, *place) for place in begin.items()]
        self._asked(self._consumer.assign, places)
        heard = time.monotonic()
        while True:
            found = self._asked(self._consumer.consume, _POLL_MESSAGES, _POLL_SECONDS)
            messages = [self._message(one) for one in found if one.error() is None]
            for one in found:
                if one.error() is not None:
                    self._take_note(one, begin)
            if found or len(self.at_end) == len(begin):
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_SECONDS:
                raise UnavailableError(
                    f"{self.source}: no message and no end of partitions"
                    f" {sorted(begin.keys() - self.at_end)} for {_STALL_SECONDS:g} seconds. Is the broker up,"
                    " and does it have these offsets? What has landed stays; try again"
                )
            yield messages

    def _message(self, found: Any) -> Message:
        return Message(found.partition(), found.offset(), found.timestamp()[1], found.value())

    def _take_note(self, found: Any, begin: Mapping[int, int]) -> None:
        error, kinds = found.error(), self._kafka.KafkaError
        if error.code() == kinds._PARTITION_EOF:
            self.at_end.add(found.partition())
        elif error.code() == kinds._AUTO_OFFSET_RESET:
            low, high = self.bounds(found.partition())
            wanted = max(found.offset(), begin[found.partition()])
            raise out_of_bounds(self.source, found.partition(), wanted, low, high)
        elif error.fatal() or not error.retriable():
            raise UnavailableError(f"{self.source}: {error.str()}")

    def _asked(self, ask: Any, *arguments: Any) -> Any:
        try:
            return ask(*arguments)
        except self._kafka.KafkaException as error:
            raise UnavailableError(
                f"no broker of {self.source.servers} answers for {self.source.topic}: {error.args[0].str()}."
                " What has landed stays; try again"
            ) from error


def out_of_bounds(source: Source, partition: int, wanted: int, low: int, high: int) -> LandingError:
    """The error of a partition that does not have the offset that comes next."""
    if wanted < low:
        why = (
            f"the offsets {wanted} to {low - 1} have not landed and are gone: the topic's retention was over"
            " before they were"
        )
    else:
        why = f"offsets below {wanted} have landed, so the topic was made anew"
    return LandingError(
        f"{source}, partition {partition}: the next offset to land is {wanted}, and the broker has {low} to"
        f" {high}: {why}. Nothing was skipped. To go on at {low}, and have that recorded, add --restart"
    )

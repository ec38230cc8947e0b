"""What `nightslate land` is asked for, as text from a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from nightslate.errors import SpecError
from nightslate.programs.days import end_of
from nightslate.programs.strict import MOST_ROWS, Duration

_TOPIC = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,179}")
"""Kafka's own characters; no more of them than a file's name has room for beside partition and offsets."""
_SERVER = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_OURS = ("auto.offset.reset", "bootstrap.servers", "enable.auto.commit", "enable.partition.eof", "group.id")


@dataclass(frozen=True)
class Source:
    """A topic of a cluster. settings: librdkafka's, such as those of TLS and SASL: never shown, some are
    secrets."""

    servers: str
    topic: str
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"kafka://{self.servers}/{self.topic}"

    def without_secrets(self, text: str) -> str:
        """A message of librdkafka's without the values of settings."""
        for _, value in self.settings:
            text = text.replace(f'"{value}"', "its value")
        return text


@dataclass(frozen=True)
class Until:
    """When to stop: after so many messages or so long, at the latest where all partitions have been at their
    ends unless a time is given. Neither: at the ends."""

    messages: int | None = None
    seconds: float | None = None


def source(url: str, config: Path | None) -> Source:
    """The topic of kafka://HOST:PORT[,HOST:PORT...]/TOPIC, read with the settings of a file. Raises
    SpecError."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise SpecError("--from has no room for credentials: sasl.username and such go into --config FILE")
    topic = parts.path.removeprefix("/")
    servers = parts.netloc.split(",")
    if (
        parts.scheme != "kafka"
        or not all(_SERVER.fullmatch(server) for server in servers)
        or parts.query
        or parts.fragment
    ):
        raise SpecError(
            f"--from is kafka://HOST:PORT/TOPIC (of several hosts, HOST:PORT,HOST:PORT); got {url!r}"
        )
    if not _TOPIC.fullmatch(topic):
        raise SpecError(
            f"--from: {topic!r} names no topic: up to 180 letters, digits, '.', '_' and '-', as in"
            " kafka://HOST:PORT/TOPIC"
        )
    return Source(parts.netloc, topic, tuple(_settings(config)) if config else ())


def until(text: str) -> Until:
    """`latest`, a number of messages, or a time. Raises SpecError."""
    if text == "latest":
        return Until()
    if re.fullmatch("[0-9]{1,10}", text) and 0 < int(text) <= MOST_ROWS:
        return Until(messages=int(text))
    if re.fullmatch("[0-9]{1,5}s", text) and int(text[:-1]):
        return Until(seconds=float(text[:-1]))
    if (span := _duration(text)) is not None:
        return Until(seconds=span.total_seconds())
    raise SpecError(f"--until is latest, a number of messages (10000) or a time (30s, 10m); got {text!r}")


def closing(text: str) -> date | timedelta:
    """A day that is over, or how long after a day its messages may still come. Raises SpecError."""
    if (span := _duration(text)) is not None:
        return span
    day = day_of("--close", text, " or for how long after a day its messages may come (2h)")
    if end_of(day) > datetime.now(UTC):
        raise SpecError(f"--close {day}: the day is not over yet (UTC)")
    return day


def day_of(option: str, text: str, instead: str = "") -> date:
    """Raises SpecError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SpecError(f"{option} is a day (YYYY-MM-DD){instead}; got {text!r}") from None


def _duration(text: str) -> timedelta | None:
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        return None


def _settings(config: Path) -> list[tuple[str, str]]:
    """The lines NAME=VALUE of a properties file; # begins a comment."""
    try:
        lines = config.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"--config {config} can't be read: {error}") from error
    found = []
    for number, text in enumerate(lines, 1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise SpecError(f"--config {config}, line {number}: a line is NAME=VALUE")
        if name in _OURS:
            raise SpecError(f"--config {config}, line {number}: {name} is not for you to set; leave it out")
        found.append((name, value))
    return found

"""The sends of a day by one channel, as e-mail: each at most once, whoever runs this, however often."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from nightslate.errors import MachineError, UnavailableError
from nightslate.sending.journal import UNKNOWN, Answer, Journal
from nightslate.sending.pace import Pace
from nightslate.sending.smtp import Connection, NoServerError, NotNowError, RefusedError, SilentError
from nightslate.sending.templates import Template

Send = Mapping[str, Any]
"""A row of `sends`."""

_TRIES = 5
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
"""Seconds between tries, twice as many each time."""

_TOO_MANY = 20
"""So many messages in a row that a server does not take are no matter of their recipients."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """What a mailing asks for the time, and waits by."""

    now: Callable[[], datetime] = _now
    seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Mailed:
    """How many sends there are of each kind after a mailing, which are `unknown`, and when the next of those
    begin that are not due yet."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    next_at: datetime | None = None

    def not_due(self, at: datetime) -> None:
        """One more that may not be sent before."""
        self.counts["not due yet"] += 1
        self.next_at = at if self.next_at is None else min(self.next_at, at)


@dataclass(frozen=True)
class Mailing:
    """What it goes by. addresses: by user. opted_out: the users who want nothing any more. templates: by
    arm."""

    journal: Journal
    addresses: Mapping[str, str] = field(repr=False)
    opted_out: Container[str]
    templates: Mapping[str, Template]
    connection: Connection
    per_second: float
    clock: Clock = Clock()

    def run(self, sends: list[Send]) -> Mailed:
        """Send what is due by now, in the order given.

        Raises UnavailableError where no server answers, or where it goes silent with a message in its hands
        (which is `unknown` from then on), and MachineError where it takes nothing from this sender or refuses
        many in a row. What was sent by then is in the journal; run again, it goes on after that."""
        mailed, in_a_row = Mailed(), 0
        pace = Pace(self.per_second, self.clock.seconds, self.clock.sleep)
        try:
            for send in self._due(sends, mailed):
                if self.clock.now() >= send["send_until"]:
                    mailed.counts["window_over"] += 1
                    continue
                status = self._sent(send, pace)
                mailed.counts[status] += 1
                in_a_row = 0 if status in ("sent", _TAKEN_BY_ANOTHER) else in_a_row + 1
                if in_a_row == _TOO_MANY:
                    raise MachineError(
                        f"{self.connection.server} has not taken {_TOO_MANY} messages in a row, the last of"
                        f" them {status}; look at what it is sent, then run it again: {in_words(mailed)}"
                    )
        finally:
            self.connection.close()
        return mailed

    def _due(self, sends: list[Send], mailed: Mailed) -> Iterator[Send]:
        """Those to be handed over now; the others are counted."""
        statuses, now = self.journal.statuses(), self.clock.now()
        for send in sends:
            if status := statuses.get(send["send_id"]):
                mailed.counts[f"{status} before"] += 1
                if status == UNKNOWN:
                    mailed.unknown.append(send["send_id"])
            elif send["user_id"] in self.opted_out:
                mailed.counts["opted_out"] += 1
            elif now >= send["send_until"]:
                mailed.counts["window_over"] += 1
            elif now < send["send_at"]:
                mailed.not_due(send["send_at"])
            elif send["user_id"] not in self.addresses:
                mailed.counts["no_address"] += 1
            else:
                yield send

    def _sent(self, send: Send, pace: Pace) -> str:
        """What became of it, once it was tried as often as it is."""
        tries = Retrying(
            retry=retry_if_exception_type((NotNowError, NoServerError)),
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            sleep=self.clock.sleep,
            reraise=True,
        )
        try:
            return tries(self._handed_over, send, pace)
        except NotNowError:
            return "deferred"
        except NoServerError as error:
            raise UnavailableError(
                f"{self.connection.server} does not answer; what has been sent is known, and run again it"
                " goes on after that"
            ) from error

    def _handed_over(self, send: Send, pace: Pace) -> str:
        send_id, template = send["send_id"], self.templates[send["arm_id"]]
        pace.wait()
        address, at = self.addresses[send["user_id"]], self.clock.now()
        message = template.message(send_id, address, at)
        facts = {name: str(send[name]) for name in ("send_id", "slate_id", "user_id", "arm_id")}
        claimed: list[bool] = []

        def claim() -> bool:
            claimed.append(self.journal.claim(send_id, {**facts, "at": at.isoformat()}))
            return claimed[-1]

        try:
            code = self.connection.hand_over(template.sender, address, message, claim)
        except NotNowError:
            if claimed:
                self.journal.release(send_id)
            raise
        except RefusedError as error:
            if claimed or claim():
                self._answer(send_id, "refused", error.code)
                return "refused"
            return _TAKEN_BY_ANOTHER
        except SilentError as error:
            server = self.connection.server
            raise UnavailableError(
                f"{server} went silent (it has {server.seconds:g} seconds) with a message in its hands:"
                f" whether {send_id} was sent is unknown, and it will not be sent again. Run again, it goes"
                " on with the others"
            ) from error
        if code is None:
            return _TAKEN_BY_ANOTHER
        self._answer(send_id, "sent", code)
        return "sent"

    def _answer(self, send_id: str, status: Answer, code: int) -> None:
        self.journal.answer(send_id, status, code, self.clock.now().isoformat())


_TAKEN_BY_ANOTHER = "by another process"


def in_words(mailed: Mailed) -> str:
    """What became of the sends, in a line."""
    found = ", ".join(f"{number} {what}" for what, number in sorted(mailed.counts.items())) or "no sends"
    return f"{found}; the next at {mailed.next_at:%H:%M} UTC" if mailed.next_at else found

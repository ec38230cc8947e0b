"""A real mail server on this machine, that answers as a test says."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

from aiosmtpd.controller import Controller

OK = "250 OK"


@dataclass
class Box:
    """What a server has taken, in order, and what it answers: `rcpt` and `data` by the recipient."""

    rcpt: Callable[[str], str] = lambda _: OK
    data: Callable[[str], str] = lambda _: OK
    mail: Callable[[str], str] = lambda _: OK
    hangs: Callable[[str], bool] = lambda _: False
    taken: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802
        answer = self.mail(address)
        if answer == OK:
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        self.asked.append(address)
        answer = self.rcpt(address)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        (address,) = envelope.rcpt_tos
        if self.hangs(address):
            await asyncio.sleep(30)
        answer = self.data(address)
        if answer == OK:
            self.taken.append((address, message_from_bytes(envelope.content, policy=SMTP)))
        return answer

    @property
    def recipients(self) -> list[str]:
        return [address for address, _ in self.taken]


@contextmanager
def mail_server(box: Box, **options: Any) -> Iterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()

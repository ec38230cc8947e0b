"""A mail server: what it says of a message, and what its silence means."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from nightslate import settings
from nightslate.errors import MachineError, SpecError

_TAKEN, _PERMANENT = 400, 500
"""Codes below the first say yes, from the second on no for ever; those between say not now (RFC 5321)."""


class NotNowError(Exception):
    """The server does not take it now (4xx)."""


class RefusedError(Exception):
    """The server will never take it (5xx), with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class NoServerError(Exception):
    """No server answers, and no message was handed over."""


class SilentError(Exception):
    """The server went silent after a message was handed over: nobody knows whether it has it."""


@dataclass(frozen=True)
class Server:
    """Where it is, and for how long an answer is waited for. remote: whether it may be another machine."""

    host: str
    port: int
    seconds: float
    remote: bool = False

    @classmethod
    def of(cls, address: str, seconds: float, remote: bool) -> Self:
        """HOST:PORT. Raises SpecError for anything else, and for another machine unless that is allowed."""
        host, colon, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 65_536):
            raise SpecError(f"--smtp {address}: write HOST:PORT, such as 127.0.0.1:25")
        found = cls(host, int(port), seconds, remote)
        if not (found.is_here or remote):
            raise SpecError(
                f"--smtp {address} is another machine: say --allow-remote if mail may leave this one"
            )
        return found

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Connection:
    """To one server; made when it is needed, and again when it is lost."""

    server: Server
    _client: smtplib.SMTP | None = field(default=None, init=False)

    def hand_over(self, sender: str, address: str, message: bytes, claim: Callable[[], bool]) -> int | None:
        """The code with which the server has taken a message; None where the claim, which is made before the
        message is handed over, is not given.

        Raises NotNowError and RefusedError where the server does not take it, NoServerError where it is not
        there, SilentError where it went silent with the message in its hands, and MachineError where it takes
        nothing from this sender."""
        client = self._ready()
        try:
            self._require_sender(client.mail(sender))
            _require_taken(client.rcpt(address))
        except smtplib.SMTPServerDisconnected as error:
            raise self._lost() from error
        except (NotNowError, RefusedError):
            self._reset()
            raise
        if not claim():
            self._reset()
            return None
        try:
            code, text = client.data(message)
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, b""
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise SilentError from error
        return _require_taken((code, text))

    def close(self) -> None:
        """Say goodbye, if anybody is there."""
        if self._client is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._client.quit()
            self._client.close()
            self._client = None

    def _ready(self) -> smtplib.SMTP:
        if self._client is None:
            try:
                self._client = self._connected()
            except (smtplib.SMTPException, OSError) as error:
                raise NoServerError from error
        return self._client

    def _connected(self) -> smtplib.SMTP:
        """Over TLS to another machine; logged in where the environment says as whom."""
        client = smtplib.SMTP(self.server.host, self.server.port, timeout=self.server.seconds)
        try:
            client.ehlo_or_helo_if_needed()
            self._let_in(client)
        except BaseException:
            client.close()
            raise
        return client

    def _let_in(self, client: smtplib.SMTP) -> None:
        try:
            if not self.server.is_here:
                client.starttls(context=ssl.create_default_context())
            if user := settings.smtp_user():
                client.login(user, settings.smtp_password())
        except (smtplib.SMTPException, ssl.SSLError) as error:
            raise MachineError(
                f"{self.server} does not let us in: it offers no STARTTLS that can be trusted, or does not"
                " know the login of NIGHTSLATE_SMTP_USER and NIGHTSLATE_SMTP_PASSWORD"
            ) from error

    def _require_sender(self, answer: tuple[int, bytes]) -> None:
        """A server that refuses the sender refuses every message: none of them is to be given up for that."""
        if answer[0] >= _PERMANENT:
            raise MachineError(
                f"{self.server} takes no mail from the sender of the template (code {answer[0]}); nothing was"
                " handed over since. Is the From right, and does it want a login (NIGHTSLATE_SMTP_USER)?"
            )
        _require_taken(answer)

    def _reset(self) -> None:
        try:
            if self._client is not None:
                self._client.rset()
        except smtplib.SMTPException:
            self.close()

    def _lost(self) -> NoServerError:
        self.close()
        return NoServerError()


def _require_taken(answer: tuple[int, bytes]) -> int:
    """The code, if it says yes. What the server says beside it may hold an address, and is not looked at."""
    code = answer[0]
    if code >= _PERMANENT:
        raise RefusedError(code)
    if code >= _TAKEN or code < 0:
        raise NotNowError
    return code

"""The app on loopback, in a thread of this process, and who asks it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

from nightslate.online.loopback import on_loopback
from nightslate.online.service import Service


class Answered(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    def post(self, body: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answered:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._asked(
            "POST", "/decisions", content, {"Content-Type": "application/json", **(headers or {})}
        )

    def get(self, path: str) -> Answered:
        return self._asked("GET", path, None, {})

    def _asked(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answered:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answered(response.status, json.loads(response.read()), dict(response.headers))
        finally:
            connection.close()


@contextmanager
def serving(service: Service) -> Iterator[Client]:
    """The app, until the block ends; it looks for newer nights when it is told to."""
    with on_loopback(service) as port:
        yield Client(port)

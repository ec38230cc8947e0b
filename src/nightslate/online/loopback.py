"""The app on a port of its own, in a thread of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from nightslate.errors import UnavailableError
from nightslate.online.server import LOOPBACK, application
from nightslate.online.service import Service

_NEVER = 86_400.0


@contextmanager
def on_loopback(service: Service) -> Iterator[int]:
    """Its port, until the block ends; then all that was taken in has landed. It looks for newer nights, and
    for days that are over, when the service is told to. Raises UnavailableError where it does not start."""
    config = uvicorn.Config(
        application(service, _NEVER), host=LOOPBACK[0], port=0, log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise UnavailableError(f"the app does not start on {LOOPBACK[0]}; its log says why")
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()

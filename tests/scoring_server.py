"""MLflow's own server of a model, in a process of its own on 127.0.0.1."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from nightslate.local.site import free_port

_START_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


class ScoringServer:
    """One connection to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, body: bytes | Mapping[str, Any]) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request("POST", "/invocations", content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    def is_up(self) -> bool:
        try:
            self._connection.request("GET", "/ping")
            return self._connection.getresponse().read() == b"\n"
        except OSError:
            return False
        finally:
            self._connection.close()


@contextmanager
def served(model_uri: str, environment: Mapping[str, str], log: Path) -> Iterator[ScoringServer]:
    """`mlflow models serve` of a model, until the block ends. environment: on top of this process's."""
    port = free_port(5055)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **paths, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server, began = ScoringServer(port), time.monotonic()
    try:
        while not server.is_up():
            if process.poll() is not None or time.monotonic() > began + _START_SECONDS:
                raise AssertionError(f"no server: {log.read_text()[-5000:]}")
            time.sleep(0.2)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)

"""The app in a process of its own that may kill itself.

Its clock begins at NOW; it dies (SIGKILL) before or after the CALL-th call of PLACE.NAME, from 1."""

import os
import signal
from datetime import datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from time import monotonic

import uvicorn

from nightslate.online.clock import Clock
from nightslate.online.server import application
from nightslate.online.service import Service
from tests.integration.online.assisted import night


def main(home: str, port: str, now: str, *strike: str) -> None:
    if strike:
        place, name, call, when = strike
        patched(resolve_name(place), name, int(call), when)
    began, start = monotonic(), datetime.fromisoformat(now)
    clock = Clock(lambda: start + timedelta(seconds=monotonic() - began))
    service = Service(night(Path(home), start.date()), clock)
    uvicorn.run(application(service, 0.2), port=int(port), log_level="warning", access_log=False)


def patched(owner, name, call, when):
    original, calls = getattr(owner, name), []

    def called(*args, **kwargs):
        calls.append(name)
        if len(calls) == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, called)

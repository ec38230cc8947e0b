"""The app in a process of its own that may kill itself:
`served_process.py HOME PORT NOW [PLACE NAME CALL WHEN]`.

Its clock begins at NOW; it dies (SIGKILL) before or after the CALL-th call of PLACE.NAME, from 1."""

import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from time import monotonic

import uvicorn

from nightslate.online.clock import Clock
from nightslate.online.server import application
from nightslate.online.service import Service
from tests.integration.online.assisted import night

home, port, now, *strike = sys.argv[1:]
began, start = monotonic(), datetime.fromisoformat(now)


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


if strike:
    place, name, call, when = strike
    patched(resolve_name(place), name, int(call), when)
clock = Clock(lambda: start + timedelta(seconds=monotonic() - began))
service = Service(night(Path(home), start.date()), clock)
uvicorn.run(application(service, 0.2), port=int(port), log_level="warning", access_log=False)

"""Requests to `nightslate serve` over HTTP: a user's event in, a decision out, both on disk.

Prints times; asserts only that each request is answered. A request is timed by whoever sends it and reads the
answer. Beside it the time of one fsync of as much on the same disk, which each answer waits for.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.integration.online import assisted
from tests.integration.online.client import serving

from nightslate.online.clock import Clock
from nightslate.online.service import Service

REQUESTS, WARM = 500, 50
EVENTS = (0, 1, 20)
AIM = "aim on a quiet machine: p99 under 20 ms"


@pytest.mark.timeout(1800)
def test_requests_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the benchmarks alone")
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    assisted.write_program()
    assisted.nights_before(tmp_path)
    clock = assisted.MovedClock(assisted.moment(assisted.TODAY, 8))
    console = Console(width=110)
    console.print(
        f"\n6 features of activity, 4 arms; {REQUESTS} requests one after another;"
        f" {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; one fsync"
        f" {fsync_seconds(tmp_path / 'synced') * 1e3:.1f} ms; {AIM}",
        highlight=False,
    )
    with serving(Service(assisted.night(tmp_path, assisted.TODAY), Clock(clock))) as client:
        for events in EVENTS:
            bodies = [asked(clock, number, events) for number in range(WARM + REQUESTS)]
            took = []
            began = time.process_time()
            for body in bodies:
                start = time.perf_counter()
                assert client.post(body).status == 200
                took.append(time.perf_counter() - start)
            cpu = (time.process_time() - began) / len(bodies)
            p50, p99 = np.quantile(took[WARM:], [0.5, 0.99]) * 1e3
            console.print(
                f"{events:>3} events: p50 {p50:5.1f} ms, p99 {p99:5.1f} ms; CPU of client and app"
                f" {cpu * 1e3:.1f} ms",
                highlight=False,
            )


def asked(clock: assisted.MovedClock, number: int, events: int) -> assisted.Row:
    user = number % assisted.USERS
    posted = assisted.activity(np.random.default_rng(number), clock.at + timedelta(seconds=1), events)
    return {"user_id": f"user-{user}", "context": assisted.context(user), "activity": posted}


def fsync_seconds(path: Path) -> float:
    """The median of some."""
    took = []
    with path.open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 500)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - start)
    return float(np.median(took))

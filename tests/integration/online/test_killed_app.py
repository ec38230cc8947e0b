"""The app is killed (SIGKILL) at any point and started again: what was answered is landed, and once."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path

import pytest

from nightslate.local.site import free_port
from nightslate.online.answers import HEADER
from tests.integration.nights import run_night
from tests.prepared import Prepared, Process

from .assisted import PROGRAM, TODAY, Row, context, land, moment, night, others_logs
from .client import Client

pytestmark = pytest.mark.e2e

SPOOL = "nightslate.online.spool"


@pytest.fixture(scope="module")
def prepared(program: None) -> Iterator[Prepared]:
    with Prepared("tests.integration.online.served_process") as found:
        yield found


@contextmanager
def process(prepared: Prepared, home: Path, now: datetime, *strike: str) -> Iterator[tuple[Client, Process]]:
    port = free_port(5070)
    running = prepared.start(str(home), str(port), now.isoformat(), *strike)
    client = Client(port)
    try:
        for _ in range(600):
            if running.poll() is not None or is_up(client):
                break
            time.sleep(0.1)
        yield client, running
    finally:
        running.kill()
        running.wait(30)


def is_up(client: Client) -> bool:
    try:
        return client.get("/health").status == 200
    except OSError:
        return False


def ask(client: Client, number: int, at: datetime) -> Row | None:
    """The answer, if there is one; each request has a key of its own."""
    events = [
        {
            "occurred_at": (at - timedelta(minutes=number + 1)).isoformat(),
            "kind": "error",
            "page": f"p{number}",
        }
    ]
    asked = {"user_id": f"user-{number % 3}", "context": context(number % 3), "activity": events}
    try:
        answer = client.post(asked, {HEADER: f"request-{number}"})
    except (OSError, HTTPException):
        return None
    assert answer.status == 200, answer
    return dict(answer.body)


def landed(home: Path, log: str) -> list[Row]:
    folder = home / "landing" / PROGRAM / log / f"ds={TODAY}"
    return [
        json.loads(line) for file in sorted(folder.glob("served-*")) for line in file.read_text().splitlines()
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "strike",
    [
        (f"{SPOOL}.os", "fsync", "8", "before"),
        (f"{SPOOL}.os", "fsync", "8", "after"),
        (f"{SPOOL}._Segment", "append", "4", "after"),
        (f"{SPOOL}", "put_settled", "2", "before"),
    ],
)
def test_what_was_answered_is_landed_once(prepared: Prepared, home: Path, strike: tuple[str, ...]) -> None:
    answers: list[Row] = []
    hour = moment(TODAY, 9)
    with process(prepared, home, hour, *strike) as (client, running):
        for number in range(10):
            answer = ask(client, number, hour)
            if answer is None:
                break
            answers.append(answer)
        else:
            os.kill(running.pid, signal.SIGTERM)  # and it is killed while it lands
        assert running.wait(60) == -signal.SIGKILL
    assert len(answers) >= 2
    hour += timedelta(hours=1)
    with process(prepared, home, hour) as (client, running):
        if answer is None:  # what was not answered is asked again
            answer = ask(client, number, hour - timedelta(hours=1))
            assert answer is not None
            answers.append(answer)
        answers += [answer for number in range(10, 14) if (answer := ask(client, number, hour))]
        assert len(answers) >= 6
        os.kill(running.pid, signal.SIGKILL)
        running.wait(60)
    with process(prepared, home, moment(TODAY + timedelta(days=1), 0.5)) as (_, running):
        marker = home / "landing" / PROGRAM / "activity" / f"ds={TODAY}" / "_SUCCESS"
        for _ in range(100):
            if marker.exists():
                break
            time.sleep(0.1)
        assert marker.exists()
    shown = Counter(row["decision_id"] for row in landed(home, "impressions"))
    assert set(shown.values()) == {1}
    assert {answer["decision_id"] for answer in answers} == shown.keys()
    done = Counter(row["page"] for row in landed(home, "activity"))
    assert set(done.values()) == {1}
    assert len(done) == len(shown)
    land(home, TODAY, others_logs([]))
    run_night(night(home, TODAY), "ingest", "attribute", "features", "audit_served")
    rows = night(home, TODAY).rows("served_decisions").to_pylist()
    assert len(rows) == len(shown)
    assert all(row["fault"] is None and row["recomputed"] == row["propensity"] for row in rows)

"""A request that is sent again under its key is one decision, and has one answer."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from nightslate.online.answers import HEADER
from nightslate.online.clock import Clock
from nightslate.online.service import Service

from .assisted import PROGRAM, TODAY, MovedClock, Row, context, moment, night
from .client import Client, serving

pytestmark = pytest.mark.e2e

TOMORROW = TODAY + timedelta(days=1)


def app(home: Path, clock: MovedClock) -> Service:
    service = Service(night(home, TODAY), Clock(clock))
    service.refresh()
    return service


def body(user: int, **said: object) -> bytes:
    event = {"occurred_at": moment(TODAY, 7).isoformat(), "kind": "error", "page": "help"}
    asked = {"user_id": f"user-{user}", "context": context(user), "activity": [event], **said}
    return json.dumps(asked).encode()


def answered(client: Client, asked: bytes, key: str) -> Row:
    answer = client.post(asked, {HEADER: key})
    assert answer.status == 200, answer
    return dict(answer.body)


def landed(home: Path, log: str) -> list[Row]:
    folder = home / "landing" / PROGRAM / log / f"ds={TODAY}"
    files = sorted(folder.glob("served-*"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_it_is_one_decision_with_one_answer_also_after_a_restart(home: Path) -> None:
    clock = MovedClock(moment(TODAY, 8))
    service = app(home, clock)
    with serving(service) as client:
        first, nothing = answered(client, body(1), "a"), answered(client, body(1, eligible_arms=[]), "b")
        assert answered(client, body(1), "a") == first
        assert nothing["arm"] is None
        assert client.get("/health").body["counts"] == {
            "decisions": 2,
            "activity": 2,
            "arms": 1,
            "repeated": 1,
        }
        unnamed = [client.post(body(2)).body["decision_id"] for _ in range(2)]
        assert unnamed[0] != unnamed[1]
    killed = app(home, clock)
    third = killed.decide(body(3), "c")
    killed._spool._lock.close()  # and its records stay where they are
    with serving(app(home, clock)) as client:
        assert answered(client, body(1), "a") == first
        assert answered(client, body(1, eligible_arms=[]), "b") == nothing
        assert answered(client, body(3), "c") == third.to_json()
    shown = [row["decision_id"] for row in landed(home, "impressions")]
    assert shown == [first["decision_id"], *unnamed, third.decision_id]
    assert len(landed(home, "activity")) == 5


def test_another_body_and_a_key_that_is_none_are_named(home: Path) -> None:
    with serving(app(home, MovedClock(moment(TODAY, 8)))) as client:
        first = answered(client, body(1), "a")
        for key, asked, said in (
            ("a", body(2), "a request with another body was answered under this key"),
            ("k" * 256, body(1), "1 to 255 printable ASCII characters"),
            ("", body(1), "1 to 255 printable ASCII characters"),
        ):
            answer = client.post(asked, {HEADER: key})
            assert answer.status == 422
            assert f"{HEADER}: {said}" in answer.body["error"]
        # what is refused is not answered, and may be mended under its key
        assert client.post(body(1, context={}), {HEADER: "d"}).status == 422
        mended = answered(client, body(1), "d")
    assert [row["decision_id"] for row in landed(home, "impressions")] == [
        first["decision_id"],
        mended["decision_id"],
    ]


def test_keys_are_remembered_until_the_end_of_the_day_after(home: Path) -> None:
    clock = MovedClock(moment(TODAY, 23.9))
    service = app(home, clock)
    first = service.decide(body(1), "a")
    for hours in (0.5, 23.9):
        clock.at = moment(TOMORROW, hours)
        service.refresh()
        assert service.decide(body(1), "a") == first
    folder = home / "landing" / PROGRAM / "_served" / "answers" / f"ds={TODAY}"
    assert folder.exists()
    clock.at = moment(TOMORROW + timedelta(days=1), 0.1)
    service.refresh()
    assert not folder.exists()
    assert not service._answers._by_day
    service.close()

"""What is wrong with a request is said, and nothing of it is taken in."""

import json
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from nightslate.errors import CommitConflictError, SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.online.clock import Clock
from nightslate.online.requests import MOST_BYTES
from nightslate.online.service import Service
from tests.integration.nights import PAGES, run_night

from .assisted import (
    ARMS,
    DAYS,
    TODAY,
    MovedClock,
    Row,
    context,
    land_before,
    moment,
    night,
)
from .client import serving
from .test_killed_app import landed

NOW = moment(TODAY, 8)
EVENT = {
    "occurred_at": (NOW - timedelta(minutes=5)).isoformat(),
    "kind": "view",
    "page": "help",
    "seconds": 3.0,
}
GOOD = {"user_id": "user-1", "context": context(1), "activity": [EVENT]}


def with_event(**changed: object) -> Row:
    return GOOD | {"activity": [EVENT, {name: v for name, v in (EVENT | changed).items() if v != "left out"}]}


BAD: list[tuple[Row | bytes, int, str]] = [
    (b"{", 422, "the body: Invalid JSON"),
    (b"[]", 422, "the body"),
    (b'{"user_id": "a", "user_id": "b"}', 422, "context lacks segment, age"),
    ({"context": context(1)}, 422, "user_id: Field required"),
    (GOOD | {"user_id": ""}, 422, "user_id"),
    (GOOD | {"user_id": 7.5}, 422, "user_id"),
    (GOOD | {"usr": 1}, 422, "usr: Extra inputs are not permitted"),
    (GOOD | {"context": {"segment": "new"}}, 422, "context lacks age: send all that the program declares"),
    (GOOD | {"context": context(1) | {"height": 3}}, 422, "context: column height is not in the contract"),
    (GOOD | {"context": context(1) | {"age": "old"}}, 422, "context: age is double"),
    (GOOD | {"context": context(1) | {"age": 1e16}}, 422, "context: age <= 1"),
    (GOOD | {"eligible_arms": ["call", "bribe"]}, 422, "eligible_arms of row 0 names 'bribe'"),
    (GOOD | {"eligible_arms": "call"}, 422, "eligible_arms"),
    (GOOD | {"issue": "pricing"}, 422, "issue: say one of all"),
    (GOOD | {"activity": [7]}, 422, "activity.0"),
    (
        with_event(occurred_at=(NOW + timedelta(hours=1)).isoformat()),
        422,
        "activity.1: occurred_at is in the future",
    ),
    (
        with_event(occurred_at=(NOW + timedelta(days=1)).isoformat()),
        422,
        "activity.1: occurred_at < 2024-05-05",
    ),
    (with_event(occurred_at=(NOW - timedelta(days=1)).isoformat()), 422, "activity.1: occurred_at is before"),
    (with_event(occurred_at=None), 422, "activity.1: occurred_at is required"),
    (with_event(occurred_at="left out"), 422, "activity.1: occurred_at is required"),
    (with_event(occurred_at="2024-05-04T07:00:00"), 422, "activity.1: occurred_at has a time zone"),
    (with_event(occurred_at="now"), 422, "activity.1: occurred_at is timestamp"),
    (with_event(kind=None), 422, "activity.1: kind is required"),
    (with_event(seconds="long"), 422, "activity.1: seconds is double"),
    (with_event(depth=1), 422, "activity.1: column depth is not in the contract"),
    (with_event(landed_at=EVENT["occurred_at"]), 422, "activity.1: landed_at is for the app to give"),
    (with_event(user_id="user-2"), 422, "activity.1: user_id is for the app to give"),
    (json.dumps(GOOD).replace("3.0", "NaN").encode(), 422, "activity"),
]


def test_each_is_said_and_nothing_is_taken_in(home: Path) -> None:
    clock = MovedClock(NOW)
    service = Service(night(home, TODAY), Clock(clock))
    with serving(service) as client:
        for body, status, said in BAD:
            answer = client.post(body)
            assert answer.status == status, (body, answer)
            assert said in answer.body["error"], (body, answer)
            assert "user-1" not in answer.body["error"]
        large = client.post(b" " * (10 << 20))
        assert large.status == 413
        assert f"{MOST_BYTES} bytes at most" in large.body["error"]
        assert client.post(GOOD, {"Content-Type": "text/plain"}).status == 415
        connection = HTTPConnection("127.0.0.1", client.port)
        connection.request("POST", "/decisions", b"{}", {"Host": "somebody.example"})
        assert connection.getresponse().status == 400
        assert client.get("/health").body["counts"] == {}
        good = client.post(with_event(kind="hover"))
        assert good.status == 200
        assert good.body["notes"] == ["1 of kinds of activity that the program does not name: hover"]
        assert client.get("/health").body["counts"] == {"decisions": 1, "activity": 2, "arms": 1}
        nothing = client.post(GOOD | {"eligible_arms": []})
        assert nothing.body["arm"] is None
        assert nothing.body["reason"] == "eligible_arms is empty: nothing may be shown"
    assert len(landed(home, "impressions")) == 1
    assert [row["kind"] for row in landed(home, "activity")] == ["view", "hover", "view"]


def test_before_any_night_there_is_nothing_to_serve_by(tmp_path: Path) -> None:
    land_before(tmp_path, 0)
    service = Service(night(tmp_path, DAYS[0]), Clock(MovedClock(moment(DAYS[1], 8))))
    event = EVENT | {"occurred_at": moment(DAYS[1], 7).isoformat()}
    with serving(service) as client:
        answer = client.post(GOOD | {"activity": [event]})
        assert answer.status == 503
        assert answer.headers["retry-after"] == "60"
        assert (
            "Run the night of 2024-05-01 (nightslate run --program assisted --ds 2024-05-01)"
            in answer.body["error"]
        )
        assert "nothing of this request was taken in" in answer.body["error"]
        run_night(night(tmp_path, DAYS[0]), but=PAGES)
        service.refresh()
        assert client.post(GOOD | {"activity": [event]}).status == 200


def test_a_program_has_one_app_and_one_key(home: Path) -> None:
    first = Service(night(home, TODAY), Clock(MovedClock(NOW)))
    with pytest.raises(CommitConflictError, match="another process serves this program"):
        Service(night(home, TODAY), Clock(MovedClock(NOW)))
    first.close()
    other = night(home, TODAY)
    object.__setattr__(other, "pseudonymiser", Pseudonymiser(b"another key of the tests", "1"))
    with pytest.raises(SpecError, match="users would not be found again"):
        Service(other, Clock(MovedClock(NOW)))


def test_each_eligible_arm_has_at_least_the_floor_s_share(home: Path) -> None:
    service = Service(night(home, TODAY), Clock(MovedClock(NOW)))
    service.refresh()
    for user in range(12):
        for eligible in (["call", "tour"], ["nothing"], list(ARMS)):
            asked = {"user_id": f"user-{user}", "context": context(user), "eligible_arms": eligible}
            answer = service.decide(json.dumps(asked).encode())
            assert set(answer.ranking) <= set(eligible)
            assert answer.propensities[0] >= 0.3 / len(ARMS) - 1e-7
            assert len(eligible) > 1 or answer.propensities == [1.0]
    service.close()

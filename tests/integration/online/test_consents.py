"""What users of the app do not agree to: no decision goes by it or is logged with it, and each is recomputed
under the consents that it was made under, whatever users say later."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from nightslate.online.clock import Clock
from nightslate.online.service import Service
from nightslate.pipeline.night import Night
from tests.integration.nights import DOCS, pseudonym, run_night

from .assisted import (
    DAYS,
    PROGRAM,
    SPEC,
    TODAY,
    USERS,
    MovedClock,
    context,
    land,
    land_before,
    moment,
    night,
    others_logs,
)

MARK = "atlantis"
ASKS = SPEC.replace("{name: segment, type: category}", "{name: segment, type: category, consent: location}")
ASKS = ASKS.replace("default: none}", "default: none, consent: location}")


def agrees(user: int) -> bool | None:
    return (True, False, None)[user % 3]


def users(but: int | None = None) -> list[dict[str, object]]:
    """Those of a day; one of them has withdrawn."""
    rows = others_logs([])["users"]
    return [{**row, "consent_location": agrees(n) if n != but else False} for n, row in enumerate(rows)]


@pytest.mark.parametrize("as_of", ["temporal", "snapshot"])
def test_a_decision_goes_by_what_the_request_agrees_to(
    tmp_path: Path, written: Callable[[str], None], as_of: str
) -> None:
    written(ASKS.replace("features_as_of: temporal", f"features_as_of: {as_of}"))
    land_before(tmp_path, 2)
    land(tmp_path, DAYS[2], {"users": users()})
    run_night(night(tmp_path, DAYS[2]), but=DOCS)
    clock = MovedClock(moment(TODAY, 5))
    service = Service(night(tmp_path, TODAY), Clock(clock))
    service.refresh()
    for user in range(USERS):
        service.decide(asked(clock, user))
    clock.at = moment(TODAY, 25)
    service.refresh()
    service.close()
    landed = "".join(path.read_text() for path in landing(tmp_path).rglob("*.jsonl"))
    assert [f"{MARK}-{user}-" in landed for user in range(USERS)] == [agrees(u) is True for u in range(USERS)]
    land(tmp_path, TODAY, {**others_logs([]), "users": users(but=0)})
    run_night(night(tmp_path, TODAY), "ingest", "attribute", "features", "audit_served")
    of_app = served(night(tmp_path, TODAY))
    assert of_app.height == USERS
    assert of_app["fault"].null_count() == of_app["unknown"].null_count() == USERS
    shown = pl.read_delta(str(tmp_path / "tables" / PROGRAM / "impressions")).filter(pl.col("ds") == TODAY)
    known = dict(shown.select("user_id", pl.col("segment").is_not_null()).iter_rows())
    assert known == {pseudonym(f"user-{user}"): agrees(user) is True for user in range(USERS)}


def asked(clock: MovedClock, user: int) -> bytes:
    said = {} if agrees(user) is None else {"consent_location": agrees(user)}
    event = {"occurred_at": clock.at.isoformat(), "kind": "view", "page": "help"}
    of_user = {**context(user), "segment": f"{MARK}-{user}-", **said}
    return json.dumps({"user_id": f"user-{user}", "context": of_user, "activity": [event]}).encode()


def landing(home: Path) -> Path:
    return home / "landing" / PROGRAM / "impressions" / f"ds={TODAY}"


def served(tonight: Night) -> pl.DataFrame:
    found = pl.from_arrow(tonight.rows("served_decisions"))
    assert isinstance(found, pl.DataFrame)
    return found

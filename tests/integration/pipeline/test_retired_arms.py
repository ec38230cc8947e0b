"""Outcomes that name an arm which has left since its impression: whoever left loses no reward."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from nightslate.errors import ContractError
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load

from . import world

FIRST, SECOND, LATER = date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 22)
TOPICS = {"a": "save", "b": "plan", "c": "save"}


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)


def shown(number: int, user: str, arm: str, when: datetime) -> dict[str, object]:
    return {
        "impression_id": f"i{number}",
        "decision_id": f"d{number}",
        "user_id": user,
        "occurred_at": when,
        "slot": 1,
        "arm_id": arm,
        "propensity": 0.5,
    }


def clicked(number: int, user: str, arm: str, when: datetime) -> dict[str, object]:
    named = {"kind": "click", "value": 1.0, "arm_id": arm, "occurred_at": when.isoformat()}
    return {"outcome_id": f"o{number}", "user_id": user, **named}


def land(
    home: Path, day: date, arms: str, shown_: list[dict[str, object]], done: list[dict[str, object]]
) -> None:
    world.land(home, day, shown_, done)
    rows = [{"arm_id": arm, "topic": TOPICS[arm]} for arm in arms]
    world.write_json_lines(home / "landing" / world.PROGRAM / f"arms/ds={day}/part-0.jsonl", rows)


def run(home: Path, day: date, match: str, *steps: str) -> None:
    spec = yaml.safe_load(world.SPEC) | {"training": {"window_days": 2}, "start_date": FIRST}
    topic = {"topic": "topic"} if match == "user_topic" else {}
    spec["rewards"] |= {"attribution": {"match": match, **topic}}
    spec["logs"] |= {"arm_features": [{"name": "topic", "type": "category"}]}
    spec["evaluation"] |= {"window_days": 2}
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    for step in steps:
        run_step(step, Night(load(path), day, home))


def credited(home: Path) -> list[tuple[str, str, float]]:
    table = pl.read_delta(str(home / "tables" / world.PROGRAM / "credits"))
    return sorted(table.select("impression_id", "outcome_id", "credit").rows())


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND,)], ids=["night by night", "the second alone"])
def test_an_arm_that_left_is_credited_with_what_came_since(tmp_path: Path, order: tuple[date, ...]) -> None:
    land(tmp_path, FIRST, "abc", [shown(1, "1", "c", at(FIRST, 20))], [])
    land(tmp_path, SECOND, "ab", [], [clicked(1, "1", "c", at(SECOND, 8))])

    for day in order:
        run(tmp_path, day, "user_arm", "ingest", "attribute")

    assert credited(tmp_path) == [("i1", "o1", 1.0)]


def test_an_arm_that_left_keeps_its_topic(tmp_path: Path) -> None:
    land(tmp_path, FIRST, "abc", [shown(1, "1", "c", at(FIRST, 20))], [])
    land(tmp_path, SECOND, "ab", [], [clicked(1, "1", "a", at(SECOND, 8))])

    run(tmp_path, SECOND, "user_topic", "ingest", "attribute")

    assert credited(tmp_path) == [("i1", "o1", 1.0)]


def test_arms_of_days_that_no_night_takes_in_count_too(tmp_path: Path) -> None:
    """The later night goes back to the second day and not to the first: it judges the second day's outcomes
    as a night of that day would."""
    land(tmp_path, FIRST, "abc", [], [])
    land(tmp_path, SECOND, "ab", [], [clicked(1, "1", "c", at(SECOND, 8))])
    land(tmp_path, LATER, "ab", [], [])

    run(tmp_path, LATER, "user_arm", "ingest")

    tables = tmp_path / "tables" / world.PROGRAM
    assert FIRST not in pl.read_delta(str(tables / "arms"))["ds"]
    assert pl.read_delta(str(tables / "outcomes"))["outcome_id"].to_list() == ["o1"]


def test_an_arm_that_was_never_there_is_still_unknown(tmp_path: Path) -> None:
    """Of those that left, too, an impression on a day without them is of no arm of that day."""
    land(tmp_path, FIRST, "abc", [], [])
    land(tmp_path, SECOND, "ab", [shown(1, "1", "c", at(SECOND, 1))], [clicked(1, "1", "x", at(SECOND, 8))])

    with pytest.raises(ContractError, match="1 of 1 rows"):
        run(tmp_path, SECOND, "user_arm", "ingest")

    rejected = pl.read_delta(str(tmp_path / "tables" / world.PROGRAM / "quarantine"))
    rejected = rejected.filter(pl.col("ds") == SECOND).sort("log")
    assert rejected["reason"].to_list() == ["unknown_arm", "unknown_arm"]
    assert rejected["clause"].to_list() == [
        "arm_id is one of the arms of the day",
        "arm_id is one of the arms of the day or of the 8 days before it",
    ]
    assert re.search('"x"', rejected["row"][1])

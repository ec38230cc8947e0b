"""Staying as a reward: one outcome a user and horizon, known at its end."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pytest

from nightslate import programs
from nightslate.errors import SpecError
from nightslate.pipeline.running import run_step
from tests.integration.nights import Declared

PROGRAM = "retention"
DAYS = [date(2024, 5, 1) + timedelta(days=number) for number in range(4)]
SPEC = """
program: retention
description: Help that is to keep users.
start_date: 2024-05-01
buckets: 2
slots: 1
depth: 2
floor: 0.3
logs: {propensity: marginal, rejects: {max_share: 0.0}}
rewards:
  values: {click: 0.1, cancellation: -1.0}
  window: 6h
  windows: {cancellation: 2d}
  attribution: {rule: linear, match: user}
  survival: {unless: cancellation, value: 2.0}
learners: {uniform: {kind: uniform}}
variants: {everyone: {share: 1.0, policy: uniform}}
gate: {first_champion: uniform}
"""
SHOWN = [
    ("stays", 0, 9),
    ("stays", 1, 9),
    ("leaves", 0, 9),
    ("leaves", 1, 9),
    ("leaves", 1, 20),
    ("leaves early", 0, 12),
    ("leaves twice", 0, 9),
    ("stays", 2, 9),
    ("leaves", 3, 9),
]
LEFT = [
    ("leaves", 1, 12),
    ("leaves early", 0, 10),
    ("leaves twice", 1, 1),
    ("leaves twice", 1, 5),
    ("nobody", 1, 1),
]


def moment(day: int, hour: int) -> datetime:
    return datetime.combine(DAYS[day], datetime.min.time(), UTC) + timedelta(hours=hour)


def land(home: Path) -> None:
    for number, day in enumerate(DAYS):
        shown = [
            {"impression_id": f"{user}-{of}-{hour}", "decision_id": f"{user}-{of}-{hour}", "user_id": user}
            | {"occurred_at": moment(of, hour).isoformat(), "slot": 1, "arm_id": "a", "propensity": 0.5}
            for user, of, hour in SHOWN
            if of == number
        ]
        left = [
            {"outcome_id": f"c-{user}-{of}-{hour}", "user_id": user, "kind": "cancellation", "value": 1.0}
            | {"occurred_at": moment(of, hour).isoformat()}
            for user, of, hour in LEFT
            if of == number
        ]
        logs = {"impressions": shown, "outcomes": left, "users": [{"user_id": "stays"}]}
        logs["arms"] = [{"arm_id": "a"}, {"arm_id": "b"}]
        for log, rows in logs.items():
            folder = home / "landing" / PROGRAM / log / f"ds={day}"
            folder.mkdir(parents=True)
            (folder / "part-0.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            (folder / "_SUCCESS").touch()


DECLARED = Declared(PROGRAM, DAYS)
night = DECLARED.night


def credits(home: Path, number: int) -> dict[str, float]:
    return {row["impression_id"]: row["credit"] for row in night(home, number).rows("credits").to_pylist()}


@pytest.fixture
def home(tmp_path: Path, program: None) -> Path:
    DECLARED.write(SPEC)
    land(tmp_path)
    return tmp_path


def attributed(home: Path, *nights: int) -> None:
    for number in nights:
        for step in ("ingest", "attribute"):
            run_step(step, night(home, number))


FIRST = {
    "stays-0-9": 1.0,
    "stays-1-9": 1.0,
    "leaves-0-9": -0.5,
    "leaves-1-9": -0.5,
    "leaves twice-0-9": -1.0,
}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1), (1, 3, 0, 2)])
def test_each_user_has_one_outcome_a_horizon_whatever_the_order_of_nights(
    home: Path, order: tuple[int, ...]
) -> None:
    """It is shared among what was shown before the user left, and known when the horizon ends."""
    attributed(home, *order)
    assert credits(home, 0) == {}
    assert credits(home, 1) == FIRST
    assert credits(home, 2) == {}
    assert credits(home, 3) == {"stays-2-9": 2.0, "leaves-3-9": 2.0}  # who comes back may stay


def test_a_cancellation_waits_for_the_end_of_its_horizon(home: Path) -> None:
    attributed(home, 0, 1)
    rows = [row for number in (0, 1) for row in night(home, number).rows("unattributed").to_pylist()]
    assert {row["reason"] for row in rows} == {"at_horizon"}
    assert len(rows) == len(LEFT)
    kinds = {row["kind"] for row in night(home, 1).rows("credits").to_pylist()}
    assert kinds == {"survival", "cancellation"}


def test_showing_more_does_not_earn_more(home: Path) -> None:
    attributed(home, 0, 1)
    earned = credits(home, 1)
    assert earned["stays-0-9"] + earned["stays-1-9"] == pytest.approx(2.0)


def test_another_worth_is_another_meaning(home: Path) -> None:
    attributed(home, 0, 1)
    DECLARED.write(SPEC.replace("value: 2.0", "value: 4.0"))
    run_step("ingest", night(home, 2))
    assert "rewards.survival.value was 2.0 and is 4.0" in run_step("attribute", night(home, 2))
    assert credits(home, 1)["stays-0-9"] == 2.0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("window: 6h", "window: 6h\n  maturity: ipcw", "use maturity: exclude"),
        (
            "{cancellation: 2d}",
            "{cancellation: 36h}",
            "the window of its kind `unless`, is of whole",
        ),
        ("{click: 0.1,", "{survival: 0.1,", "'survival' is what staying is called"),
    ],
)
def test_what_can_not_be_made_of_it(program: None, old: str, new: str, says: str) -> None:
    DECLARED.write(SPEC.replace(old, new))
    with pytest.raises(SpecError, match=says):
        programs.find(PROGRAM)


def evaluated(home: Path, number: int) -> list[dict[str, object]]:
    for before in range(number + 1):
        run_step("train", night(home, before))
    run_step("evaluate", night(home, number))
    return night(home, number).of_issue("all").rows("evaluations").to_pylist()


LONG = SPEC.replace("cancellation: 2d", "cancellation: 4d").replace(
    "learners: {", "learners: {best: {kind: popularity}, "
)


def clicked(home: Path, number: int, *users: str) -> None:
    rows = [
        {"outcome_id": f"click-{user}-{number}", "user_id": user, "kind": "click", "value": 1.0}
        | {"occurred_at": moment(number, 10).isoformat()}
        for user in users
    ]
    file = home / "landing" / PROGRAM / "outcomes" / f"ds={DAYS[number]}" / "part-1.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_what_comes_soon_is_estimated_while_staying_is_not_known_yet(home: Path) -> None:
    """After three of the four days of a horizon nobody knows who stays; clicks of six hours are known."""
    DECLARED.write(LONG)
    clicked(home, 1, "stays", "leaves")
    attributed(home, 0, 1, 2)
    rows = evaluated(home, 2)
    soon = [row for row in rows if row["estimand"] == "short_outcomes" and row["reference"] is None]
    assert {row["n"] for row in rows if row["estimand"] != "short_outcomes"} == {0}
    logged = next(row for row in soon if row["policy"] == "logged" and row["estimator"] == "ips")
    shown = [user for user, day, _ in SHOWN if day == 1]  # the first that models of a night before weigh
    assert (logged["n"], logged["clusters"]) == (len(shown), len({*shown}))
    assert logged["value"] == pytest.approx(2 * 0.1 / len(shown))
    assert {row["policy"] for row in soon} == {"logged", "best", "uniform"}


def test_nothing_is_promoted_by_what_comes_soon(home: Path) -> None:
    """The gate and its evidence are the same whatever came soon, and whatever its rows say."""
    DECLARED.write(LONG)
    found = {}
    for told in ("nothing", "clicks"):
        if told == "clicks":
            clicked(home, 1, "stays", "leaves")
        for step in ("ingest", "attribute"):
            run_step(step, night(home, 1))
        attributed(home, 0, 2)
        evaluated(home, 2)
        of_issue = night(home, 2).of_issue("all")
        table = of_issue.table("evaluations")
        before = table.rows(DAYS[2], DAYS[2])
        without = before.filter(pa.compute.not_equal(before["estimand"], "short_outcomes"))
        decisions = []
        for rows in (before, without):
            table.replace(DAYS[2], rows.drop(["ds"]), {})
            run_step("promote", night(home, 2))
            decisions.append(of_issue.rows("promotions").to_pylist())
        assert decisions[0] == decisions[1]
        found[told] = decisions[0]
        assert of_issue.rows("evidence").num_rows == 0
    assert found["nothing"] == found["clicks"]


def test_a_program_without_a_kind_that_comes_before_has_no_such_rows(home: Path) -> None:
    DECLARED.write(LONG.replace("click: 0.1, ", ""))
    attributed(home, 0, 1, 2)
    assert "short_outcomes" not in {row["estimand"] for row in evaluated(home, 2)}

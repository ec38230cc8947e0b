"""Credits of real tables: whatever the order of nights and files, what the words say of the logs."""

import shutil
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load
from tests.oracles.attribution import Row, Terms, attribute

from . import world

DAYS = [date(2024, 3, 1) + timedelta(days=n) for n in range(5)]
LATE = DAYS[2]
TOPICS = {"a": "save", "b": "save", "c": "plan"}  # d has none
TABLES = ("credits", "unattributed")
REASONS = {"not_valued", "too_many", "unnamed", "no_impression", "late", "capped"}
REWARDS = {
    "values": {"click": 0.25, "task": 1.0, "cancel": -0.5},
    "window": "2d",
    "windows": {"click": "6h"},
    "decay": "1d",
    "cap": 1.1,
    "max_outcomes": 4,
    "skew": "5m",
    "attribution": {
        "rule": "time_decay",
        "half_life": "12h",
        "match": "user",
        "matches": {"click": "closest", "cancel": "user_topic"},
        "topic": "topic",
        "max_touches": 3,
    },
}
WORDS = Terms(
    rule="time_decay",
    half_life=timedelta(hours=12),
    max_touches=3,
    match="user",
    window=timedelta(days=2),
    values=REWARDS["values"],  # type: ignore[arg-type]
    windows={"click": timedelta(hours=6)},
    matches={"click": "closest", "cancel": "user_topic"},
    decay=timedelta(days=1),
    cap=1.1,
    max_outcomes=4,
    skew=timedelta(minutes=5),
    topics=TOPICS,
)


def shown(day: date) -> list[Row]:
    return world.impressions(DAYS.index(day), day)


def done(day: date, rows: int = 90) -> list[Row]:
    """What users did that day, in no order: some of it names an impression of that day or the one before,
    at its very moment or a little ahead of it; some comes at one moment, and some means nothing here."""
    random = np.random.default_rng(100 + DAYS.index(day))
    start = datetime.combine(day, datetime.min.time(), UTC)
    answered = [row for one in DAYS if day - timedelta(days=1) <= one <= day for row in shown(one)]
    outcomes = []
    for number in range(rows):
        kind = str(random.choice(["click", "task", "cancel", "view"], p=[0.4, 0.35, 0.2, 0.05]))
        when = start + timedelta(minutes=10 * int(random.integers(144)))
        row: Row = {"outcome_id": f"{day}-{number}", "user_id": f"user-{random.integers(world.USERS // 2)}"}
        row |= {"kind": kind, "value": float(random.choice([1.0, 1.0, 2.0])), "occurred_at": when}
        row |= {"arm_id": str(random.choice(world.ARMS)) if random.random() < 0.6 else None}
        row |= {"impression_id": None}
        one = answered[int(random.integers(len(answered)))]
        if kind == "click" and random.random() < 0.7:
            row |= {"user_id": one["user_id"], "impression_id": one["impression_id"]}
            ahead = one["occurred_at"] - timedelta(minutes=int(random.integers(4)) * 3)
            row |= {"occurred_at": ahead if ahead.date() == day and number % 2 else when}
        outcomes.append(row)
    return outcomes


def as_landed(outcomes: list[Row]) -> list[dict[str, object]]:
    return [{**row, "occurred_at": row["occurred_at"].isoformat()} for row in outcomes]


def land(home: Path, day: date, impressions: list[Row], *outcomes: list[Row], files: int = 1) -> None:
    """The logs of a day: impressions in so many files, outcomes in those that are given."""
    world.land(home, day, impressions, [], files)
    folder = home / "landing" / world.PROGRAM
    for part, rows in enumerate(outcomes):
        world.write_json_lines(folder / f"outcomes/ds={day}/part-{part}.jsonl", as_landed(rows))
    arms = [{"arm_id": arm, "topic": TOPICS.get(arm)} for arm in world.ARMS]
    world.write_json_lines(folder / f"arms/ds={day}/part-0.jsonl", arms)


def run(home: Path, *days: date) -> None:
    """Ingest and attribute, night by night."""
    spec = yaml.safe_load(world.SPEC) | {"rewards": REWARDS, "training": {"window_days": 3}}
    features = [{"name": "topic", "type": "category"}]
    spec["logs"] |= {"arm_features": features, "rejects": {"max_share": 0.5}}
    spec["evaluation"] |= {"window_days": 3}
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    for day in days:
        for step in ("ingest", "attribute"):
            run_step(step, Night(load(path), day, home))


def by_day(home: Path) -> dict[tuple[str, date], list[str]]:
    """The rows of both tables, by table and partition."""
    found = defaultdict(list)
    for table in TABLES:
        for row in pl.read_delta(str(home / "tables" / world.PROGRAM / table)).to_dicts():
            found[table, row["ds"]].append(repr(sorted(row.items())))
    return {key: sorted(rows) for key, rows in found.items()}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five nights in order, each run once, all files there. Not to be changed."""
    home = tmp_path_factory.mktemp("clean")
    for day in DAYS:
        land(home, day, shown(day), done(day))
    run(home, *DAYS)
    return home


@pytest.fixture(scope="module")
def before_late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same nights before a file of the third day's outcomes has come. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("before")
    for day in DAYS:
        land(home, day, shown(day), done(day)[30:] if day == LATE else done(day))
    run(home, *DAYS)
    return home


def of_the_world_up_to(ds: date) -> tuple[list[Row], list[Row], list[Row]]:
    """The impressions and outcomes of the days up to ds, and the outcomes that ingest keeps out because they
    seem to come before the impression that they name."""
    impressions = [row for day in DAYS if day <= ds for row in shown(day)]
    when = {row["impression_id"]: (row["user_id"], row["occurred_at"]) for row in impressions}
    kept, rejected = [], []
    for row in (row for day in DAYS if day <= ds for row in done(day)):
        user, moment = when.get(row["impression_id"], (None, row["occurred_at"]))
        early = user == row["user_id"] and moment - row["occurred_at"] > WORDS.skew
        (rejected if early else kept).append(row)
    return impressions, kept, rejected


def test_the_tables_hold_what_the_words_say(clean: Path) -> None:
    impressions, outcomes, rejected = of_the_world_up_to(DAYS[-1])
    expected = attribute(impressions, outcomes, WORDS)
    credit, unattributed, quarantine = (
        pl.read_delta(str(clean / "tables/tiny" / name)).to_dicts() for name in (*TABLES, "quarantine")
    )

    found = {(row["outcome_id"], row["impression_id"]): row["credit"] for row in credit}
    assert found == pytest.approx({key: row["credit"] for key, row in expected.credits.items()}, rel=1e-12)
    assert len(credit) == len(found) > 200
    assert {row["outcome_id"]: row["reason"] for row in unattributed} == {
        outcome: row["reason"] for outcome, row in expected.unattributed.items()
    }
    assert {row["reason"] for row in unattributed} == REASONS
    day_of = {row["outcome_id"]: row["occurred_at"].date() for row in outcomes}
    assert all(row["ds"] == day_of[row["outcome_id"]] for row in (*credit, *unattributed))
    assert [row["reason"] for row in quarantine] == ["before_impression"] * len(rejected) != []


@pytest.mark.parametrize("ds", DAYS)
def test_the_reward_known_at_a_day_is_the_sum_of_the_credits_up_to_it(clean: Path, ds: date) -> None:
    """As if the world had ended with that day."""
    impressions, outcomes, _ = of_the_world_up_to(ds)
    known: dict[str, float] = defaultdict(float)
    for (_, impression), row in attribute(impressions, outcomes, WORDS).credits.items():
        known[impression] += row["credit"]
    table = pl.read_delta(str(clean / "tables/tiny/credits")).filter(pl.col("ds") <= ds)
    reward = dict(table.group_by("impression_id").agg(pl.col("credit").sum()).rows())
    assert reward == pytest.approx(known, rel=1e-12, abs=1e-15)


def test_neither_the_order_of_nights_nor_files_nor_copies_of_rows_have_a_say(
    clean: Path, tmp_path: Path
) -> None:
    for day in DAYS:
        twice = [*shown(day)[::-1], *shown(day)[::7]]
        rows = done(day)
        land(tmp_path, day, twice, rows[::-2], [], rows[::3], rows[-2::-2], files=3)

    run(tmp_path, *(DAYS[n] for n in (3, 0, 4, 2, 1)))

    assert by_day(tmp_path) == by_day(clean)


def test_a_late_file_changes_its_day_alone_and_a_rerun_nothing(
    clean: Path, before_late: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(before_late, home)
    before = by_day(home)
    assert before != by_day(clean)
    landing = home / "landing/tiny/outcomes" / f"ds={LATE}"
    world.write_json_lines(landing / "late.jsonl", as_landed(done(LATE)[:35]))  # five of them have been here

    run(home, LATE)

    after = by_day(home)
    assert {key for key in after if after[key] != before.get(key)} == {(table, LATE) for table in TABLES}
    assert after == by_day(clean)
    run(home, DAYS[3])
    assert by_day(home) == after

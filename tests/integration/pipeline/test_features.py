"""A program with features of activity: as of the end of the day before, and as of decisions."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import yaml

from nightslate import programs
from nightslate.core.features import Events, Moments, Windows
from nightslate.errors import LeakError, SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.models.files import scored_by
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.matured_logs import matured_logs
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from nightslate.pipeline.updating import run as update
from tests.integration.nights import PAGES, Declared, run_night
from tests.oracles.features import feature_as_of

from . import world
from .conftest import relocate

pytestmark = pytest.mark.e2e

PROGRAM = "helpful"
DAYS = [date(2024, 5, 1) + timedelta(days=number) for number in range(4)]
USERS, ARMS = 30, ("call", "nothing", "tour")
ENDS_ON = {"call": "2024-05-03", "tour": "2024-06-01"}
LOGS, TO_EVALUATE = ("ingest", "attribute", "features"), ("train", "evaluate")
PURE = (
    "activity",
    "features",
    "features_of_arms",
    "impressions",
    "credits",
    "models",
    "evaluations",
    "evidence",
)

SPEC = """
program: helpful
description: Help for users by what they did before.
start_date: 2024-05-01
buckets: 2
slots: 1
depth: 3
floor: 0.3
logs:
  propensity: marginal
  context: [{name: segment, type: category}]
  arm_features: [{name: about, type: category}]
  arm_dates: [ends_on]
  activity:
    columns: [{name: page, type: category}, {name: seconds, type: number}]
    kinds: [view, error]
  crosses: [[errors_2d, about], [segment, about], [seen_of_arm, about], [shown, about]]
features:
  errors: {aggregation: count, where: {kind: error}, windows: [12h, 2d]}
  pricing_seconds:
    {aggregation: sum, column: seconds, where: {page: pricing}, window: 36h, boundaries: [1, 50]}
  last_page: {aggregation: last, column: page, window: 2d, default: none}
  exposures: {source: impressions, aggregation: count, where: {arm_id: [call, tour]}, window: 2d}
  since_click:
    {source: outcomes, aggregation: time_since_last, where: {kind: click}, window: 3d, default: 1000000}
  seen_about: {source: impressions, key: [user_id, about], aggregation: count, windows: [1d, 3d]}
  seen_of_arm:
    {source: impressions, key: [user_id, arm_id], aggregation: count, window: 2d, boundaries: [1, 3]}
  since_seen:
    {source: impressions, key: [user_id, arm_id], aggregation: time_since_last, window: 2d, default: 200000}
  earned: {source: credits, aggregation: sum, column: credit, where: {kind: click}, window: 2d}
  earned_about: {source: credits, key: [user_id, about], aggregation: count, window: 3d}
  shown: {source: impressions, key: [arm_id], aggregation: count, window: 36h, boundaries: [10, 20]}
  age: {source: impressions, key: [arm_id], aggregation: time_since_first, window: 3d, default: 0}
  click_rate:
    source: credits
    key: [arm_id]
    aggregation: rate
    where: {kind: click}
    within: 6h
    window: 3d
    prior: 10
    default: 0.3
  click_lift:
    {source: credits, key: [arm_id], aggregation: lift, within: 6h, window: 2d, prior: 10, default: 1}
  weekday: {source: calendar, aggregation: day_of_week}
  days_left: {source: arms, key: [arm_id], aggregation: days_until, column: ends_on, default: 99}
features_as_of: snapshot
rewards: {values: {click: 1.0}, window: 6h}
learners:
  uniform: {kind: uniform}
  linear_thompson: {kind: linear_thompson, draws: 32, pooling: hybrid}
  without:
    kind: linear_thompson
    draws: 32
    pooling: hybrid
    ignores: [errors_2d, seen_about_1d, seen_of_arm, since_seen, age]
variants:
  personalised: {share: 0.5, policy: linear_thompson}
  randomised: {share: 0.5, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""
HOUR = "  hour: {source: calendar, aggregation: hour_of_day, boundaries: [6, 18]}\n"
TEMPORAL = SPEC.replace("features_as_of: snapshot", "features_as_of: temporal").replace(
    "features:\n", f"features:\n{HOUR}", 1
)
FEATURES: dict[str, dict[str, Any]] = {
    "errors_12h": {"aggregation": "count", "where": {"kind": "error"}, "window": timedelta(hours=12)},
    "errors_2d": {"aggregation": "count", "where": {"kind": "error"}, "window": timedelta(days=2)},
    "pricing_seconds": {
        "aggregation": "sum",
        "column": "seconds",
        "where": {"page": "pricing"},
        "window": timedelta(hours=36),
    },
    "last_page": {"aggregation": "last", "column": "page", "window": timedelta(days=2)},
}
OF_IMPRESSIONS = {"aggregation": "count", "where": {"arm_id": ["call", "tour"]}, "window": timedelta(days=2)}
OF_OUTCOMES = {"aggregation": "time_since_last", "where": {"kind": "click"}, "window": timedelta(days=3)}
COUNT, SINCE = {"aggregation": "count"}, {"aggregation": "time_since_last"}
BY_ARM: dict[str, dict[str, Any]] = {
    "seen_about_1d": {**COUNT, "key": "about", "window": timedelta(days=1), "default": 0.0},
    "seen_about_3d": {**COUNT, "key": "about", "window": timedelta(days=3), "default": 0.0},
    "seen_of_arm": {**COUNT, "key": "arm_id", "window": timedelta(days=2), "default": 0.0},
    "since_seen": {**SINCE, "key": "arm_id", "window": timedelta(days=2), "default": 200_000.0},
    "earned_about": {**COUNT, "key": "about", "window": timedelta(days=3), "default": 0.0},
}
OF_ARMS = {"shown": 0.0, "age": 0.0, "click_rate": 0.3, "click_lift": 1.0, "days_left": 99.0}
NOTHING = {"errors_12h": 0.0, "errors_2d": 0.0, "pricing_seconds": 0.0, "last_page": "none"}
OF_CREDITS = {"aggregation": "sum", "column": "value", "window": timedelta(days=2)}
NOTHING |= {"exposures": 0.0, "since_click": 1e6, "earned": 0.0}


def activity(number: int) -> list[dict[str, Any]]:
    """Of some users. Half of what they do is known at once, the rest up to a day and a half later."""
    random, start = np.random.default_rng(number), datetime.combine(DAYS[number], datetime.min.time(), UTC)
    events = []
    for _ in range(120):
        at = start + timedelta(seconds=int(random.integers(86_400)))
        late = timedelta(seconds=int(random.integers(130_000))) * int(random.integers(2))
        events.append(
            {
                "user_id": f"user-{random.integers(USERS - 5)}",
                "occurred_at": at,
                "kind": str(random.choice(["view", "error", "hover"])),
                "landed_at": at + late,
                "page": str(random.choice(["pricing", "help", "home"])),
                "seconds": float(random.integers(1, 60)) if random.integers(4) else None,
            }
        )
    return events


def shown_and_done(number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    random, day = np.random.default_rng(100 + number), DAYS[number]
    start = datetime.combine(day, datetime.min.time(), UTC)
    shown: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    for row in range(60):
        user, arm = int(random.integers(USERS)), str(random.choice(ARMS))
        at, name = start + timedelta(minutes=20 * row), f"{day}-{row}"
        of_user = {"user_id": f"user-{user}", "segment": segment(user)}
        impression = {"impression_id": name, "decision_id": name, "slot": 1, "occurred_at": at.isoformat()}
        shown.append({**impression, **of_user, "arm_id": arm, "propensity": 1 / 3})
        if random.random() < 0.3:
            outcome = {"outcome_id": name, "user_id": f"user-{user}", "kind": "click", "value": 1.0}
            done.append(
                {**outcome, "occurred_at": (at + timedelta(seconds=9)).isoformat(), "impression_id": name}
            )
    return shown, done


def land(home: Path, number: int, log_of_day: list[dict[str, Any]] | None = None) -> None:
    day, (shown, done) = DAYS[number], shown_and_done(number)
    people = [{"user_id": f"user-{user}", "segment": segment(user)} for user in range(USERS)]
    logs = {
        "impressions": shown,
        "outcomes": done,
        "users": people,
        "arms": [{"arm_id": arm, "about": arm[0], "ends_on": ENDS_ON.get(arm)} for arm in ARMS],
        "activity": [as_landed(each) for each in (activity(number) if log_of_day is None else log_of_day)],
    }
    world.land_logs(home, PROGRAM, day, logs)


def land_all(home: Path) -> None:
    for number in range(len(DAYS)):
        land(home, number)


def as_landed(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in event.items()}


def segment(user: int) -> str:
    return ("new", "old")[user % 2]


DECLARED = Declared(PROGRAM, DAYS)
night = DECLARED.night


def pure_rows(home: Path) -> dict[str, list[str]]:
    return {name: sorted(map(repr, night(home, 0).table(name).rows().to_pylist())) for name in PURE}


def known(day_events: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{**event, "known_at": event["landed_at"]} for events in day_events for event in events]


def at_end_of_day(logs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows that do not say when they landed are known once their day is over."""
    rows = [{**row, "occurred_at": datetime.fromisoformat(row["occurred_at"])} for log in logs for row in log]
    over = [
        datetime.combine(row["occurred_at"], datetime.min.time(), UTC) + timedelta(days=1) for row in rows
    ]
    return [{**row, "known_at": end} for row, end in zip(rows, over, strict=True)]


def of_arms_by_definition(end: datetime) -> dict[str, dict[str, float]]:
    """Of each arm, as of the end of a day, from whatever was shown and clicked before."""
    logs = [shown_and_done(number) for number in range(len(DAYS))]
    clicked = {row["impression_id"] for _, done in logs for row in done}
    rows = [
        {
            **row,
            "ago": end - datetime.fromisoformat(row["occurred_at"]),
            "click": row["impression_id"] in clicked,
        }
        for shown, _ in logs
        for row in shown
    ]
    before = pl.DataFrame([row for row in rows if row["ago"] > timedelta(0)])
    if before.is_empty():
        return {}

    def within(arm: str, **window: int) -> pl.DataFrame:
        return before.filter(pl.col("arm_id") == arm, pl.col("ago") <= timedelta(**window))

    def rates(arm: str, **window: int) -> tuple[float, float]:
        over = before.filter(pl.col("ago") >= timedelta(hours=6), pl.col("ago") <= timedelta(**window))
        mean, mine = over["click"].mean(), over.filter(pl.col("arm_id") == arm)["click"]
        return (mine.sum() + 10 * mean) / (len(mine) + 10), mean

    found = {}
    for arm in ARMS:
        lift, mean = rates(arm, days=2)
        left = (datetime.fromisoformat(ENDS_ON[arm] + "T00:00Z") - end).days if arm in ENDS_ON else 99
        found[arm] = {
            "shown": len(within(arm, hours=36)),
            "age": within(arm, days=3)["ago"].max().total_seconds(),
            "click_rate": rates(arm, days=3)[0],
            "click_lift": lift / mean,
            "days_left": left,
        }
    return found


def pseudonyms() -> dict[str, str]:
    names = [f"user-{user}" for user in range(USERS)]
    return dict(zip(Pseudonymiser.from_environment()(pa.array(names)).to_pylist(), names, strict=True))


def by_definition(user: str, at: datetime) -> dict[str, Any]:
    events = known([activity(number) for number in range(len(DAYS))])
    found = {name: feature_as_of(events, spec, user, at, at) for name, spec in FEATURES.items()}
    logs = [shown_and_done(number) for number in range(len(DAYS))]
    of_logs = [("exposures", 0, OF_IMPRESSIONS), ("since_click", 1, OF_OUTCOMES), ("earned", 1, OF_CREDITS)]
    for name, place, spec in of_logs:
        found[name] = feature_as_of(at_end_of_day([day[place] for day in logs]), spec, user, at, at)
    return {name: NOTHING[name] if value is None else value for name, value in found.items()}


def by_arm_by_definition(user: str, at: datetime) -> dict[str, dict[str, Any]]:
    """Of each feature by arm what is not the default, by what the arms have."""
    shown, done = (
        at_end_of_day([shown_and_done(number)[place] for number in range(len(DAYS))]) for place in (0, 1)
    )
    arm_of = {row["impression_id"]: row["arm_id"] for row in shown}
    earned = [{**row, "arm_id": arm_of[row["impression_id"]]} for row in done]
    found: dict[str, dict[str, Any]] = {}
    for name, spec in BY_ARM.items():
        rows = earned if name == "earned_about" else shown
        told_apart = [{**row, "about": row["arm_id"][0]} for row in rows]
        by_key = {
            key: feature_as_of([r for r in told_apart if r[spec["key"]] == key], spec, user, at, at)
            for key in sorted({row[spec["key"]] for row in told_apart})
        }
        found[name] = {key: value for key, value in by_key.items() if value not in (None, spec["default"])}
    return found


@pytest.fixture(scope="module", params=["snapshot", "temporal"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """After four nights."""
    home = tmp_path_factory.mktemp("features")
    DECLARED.write(TEMPORAL if request.param == "temporal" else SPEC)
    land_all(home)
    for number in range(len(DAYS) - 1):
        run_night(night(home, number), *LOGS, *TO_EVALUATE)
    run_night(night(home))
    return home


def matured(home: Path) -> tuple[IssueNight, list[pa.Table]]:
    last = night(home).of_issue("all")
    logs = matured_logs(last, LogTables.of(last), ARMS, 28)
    return last, [logs.rows(unit.read()) for unit in logs.work.units]


def learnt_from(home: Path) -> tuple[IssueNight, pl.DataFrame]:
    last, rows = matured(home)
    return last, pl.concat(
        [pl.DataFrame(pl.from_arrow(part.drop_columns([*BY_ARM, *OF_ARMS]))) for part in rows]
    )


def test_what_is_learnt_from_is_what_was_known(home: Path) -> None:
    """Of every impression the features as of the end of the day before, or as of the decision."""
    last, rows = learnt_from(home)
    assert rows.height > 100
    names, different = pseudonyms(), 0
    for row in rows.rows(named=True):
        at = row["occurred_at"]
        if last.program.features_as_of == "snapshot":
            at = at.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = by_definition(names[row["user_id"]], at)
        assert {name: row[name] for name in wanted} == wanted
        different += wanted != NOTHING
        assert row["weekday"] == f"{at:%A}".lower()
        if last.program.features_as_of == "temporal":
            assert row["hour"] == pytest.approx(at.hour + at.minute / 60)
    assert different > 50


def test_what_is_learnt_of_arms_is_what_was_known(home: Path) -> None:
    last, logs = matured(home)
    rows = [row for part in logs for row in part.select(["user_id", "occurred_at", *BY_ARM]).to_pylist()]
    names, different = pseudonyms(), 0
    for row in rows:
        at = row["occurred_at"]
        if last.program.features_as_of == "snapshot":
            at = at.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = by_arm_by_definition(names[row["user_id"]], at)
        assert {name: dict(row[name] or []) for name in wanted} == wanted
        different += wanted["seen_about_3d"] != wanted["seen_about_1d"]
    assert different > 50


def test_what_is_learnt_of_arms_alone_was_known_at_the_end_of_the_day_before(home: Path) -> None:
    last, logs = matured(home)
    rows = [row for part in logs for row in part.select(["occurred_at", *OF_ARMS]).to_pylist()]
    days = {row["occurred_at"].replace(hour=0, minute=0, second=0, microsecond=0) for row in rows}
    wanted = {day: of_arms_by_definition(day) for day in days}
    for row in rows:
        of_day = wanted[row["occurred_at"].replace(hour=0, minute=0, second=0, microsecond=0)]
        for name in OF_ARMS:
            assert json.loads(row[name] or "{}") == pytest.approx(
                {arm: each[name] for arm, each in of_day.items()}
            )
    end = datetime.combine(last.slate_date, datetime.min.time(), UTC)
    tonight = {
        row["arm_id"]: {name: row[name] for name in OF_ARMS}
        for row in last.rows("features_of_arms").to_pylist()
    }
    assert tonight.keys() == {*ARMS}
    for arm, found in of_arms_by_definition(end).items():
        assert tonight[arm] == pytest.approx(found)


def test_users_are_scored_by_what_is_known_at_the_end_of_the_day(home: Path) -> None:
    last = night(home)
    end = datetime.combine(last.slate_date, datetime.min.time(), UTC)
    found = [row for row in last.rows("features").to_pylist() if row["as_of"] == end]
    names = pseudonyms()
    assert len(found) >= USERS - 5
    for row in found:
        assert {name: row[name] for name in NOTHING} == by_definition(names[row["user_id"]], end)
        by_arm = by_arm_by_definition(names[row["user_id"]], end)
        assert {name: dict(row[name]) for name in BY_ARM} == by_arm


@pytest.mark.parametrize("home", ["temporal"], indirect=True)
def test_nights_in_any_order_leave_the_same_rows(home: Path, tmp_path: Path) -> None:
    land_all(tmp_path)
    for number in (3, 1, 0, 2, 3):
        run_night(night(tmp_path, number), *LOGS, *TO_EVALUATE)
    assert pure_rows(tmp_path) == pure_rows(home)


@pytest.mark.parametrize("spec", [SPEC, TEMPORAL])
def test_an_update_within_the_day_joins_the_features_that_its_night_will(
    spec: str, tmp_path: Path, program: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    DECLARED.write(spec + "updates: {every: 1h}\n")
    for number in range(2):
        land(tmp_path, number)
        run_night(night(tmp_path, number), but=PAGES)
    land(tmp_path, 2)
    update(night(tmp_path, 2))
    run_night(night(tmp_path, 2), but=PAGES)
    models, updates = (
        pl.read_delta(str(tmp_path / "tables" / PROGRAM / name)).filter(pl.col("ds") == DAYS[2])
        for name in ("models", "updates")
    )
    columns = ["learner", "digest", "rows"]
    assert updates.select(columns).sort("learner").rows() == models.select(columns).sort("learner").rows()


@pytest.mark.parametrize("home", ["temporal"], indirect=True)
def test_a_feature_that_is_edited_is_computed_anew(home: Path, tmp_path: Path) -> None:
    spec = TEMPORAL if programs.find(PROGRAM).features_as_of == "temporal" else SPEC
    try:
        DECLARED.write(spec.replace("where: {kind: error}", "where: {kind: view}"))
        land_all(tmp_path)
        for number in range(len(DAYS)):
            run_night(night(tmp_path, number), *LOGS)
        DECLARED.write(spec)
        with pytest.raises(SpecError, match=r"features.errors_2d was .* and is .*run the step features"):
            run_step("train", night(tmp_path, 3).of_issue("all"))
        assert "computed anew" in run_step("features", night(tmp_path, 3))
    finally:
        DECLARED.write(spec)
    assert pure_rows(tmp_path)["features"] == pure_rows(home)["features"]


def test_what_can_be_no_activity_is_kept_out_by_name(tmp_path: Path, program: None) -> None:
    DECLARED.write(SPEC.replace("  crosses", "  rejects: {max_share: 0.5}\n  crosses"))
    good = activity(0)
    bad = [
        good[0] | {"occurred_at": good[0]["occurred_at"] + timedelta(days=1)},
        good[0] | {"occurred_at": None},
        good[0] | {"kind": None},
        good[0] | {"user_id": None},
        good[0] | {"seconds": "long"},
    ]
    land(tmp_path, 0, [*good, good[5], *bad])
    said = run_step("ingest", night(tmp_path, 0))
    assert f"{len(good)} activity" in said
    assert "5 rows quarantined, 1 copies dropped" in said
    clauses = set(night(tmp_path, 0).rows("quarantine")["clause"].to_pylist())
    assert clauses == {
        "occurred_at < 2024-05-02",
        "occurred_at is required",
        "kind is required",
        "user_id is required",
        "seconds is double",
    }
    unknown = sum(event["kind"] == "hover" for event in good)
    assert f"{unknown} of kinds of activity that the program does not name: hover" in said


def test_decisions_need_to_know_when_activity_landed(tmp_path: Path, program: None) -> None:
    DECLARED.write(TEMPORAL)
    land(tmp_path, 0, [{**event, "landed_at": None} for event in activity(0)])
    with pytest.raises(Exception, match="activity: 120 of 120 rows of 2024-05-01 break the contract"):
        run_step("ingest", night(tmp_path, 0))


@pytest.mark.parametrize("leak", ["of the moment itself", "of what landed later"])
def test_a_leak_stops_the_night(
    tmp_path: Path, program: None, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    """Planted: a window that ends after its moment, and events that are known before they landed."""
    DECLARED.write(TEMPORAL)
    land(tmp_path, 0)
    run_step("ingest", night(tmp_path, 0))
    honest = Events.windows

    def late(events: Events, moments: Moments, window: int | None) -> Windows:
        return honest(events, replace(moments, at=moments.at + 1), window)

    if leak == "of the moment itself":
        monkeypatch.setattr(Events, "windows", late)
    else:
        monkeypatch.setattr(Events, "known_in", lambda _, windows, known: [(np.arange(known.size), windows)])
    with pytest.raises(LeakError, match="look at what was not known at their moment: errors_12h, errors_2d"):
        run_step("features", night(tmp_path, 0))
    assert not night(tmp_path, 0).table("features").snapshot().days()


def test_the_page_says_how_far_features_are_from_the_days_before(home: Path) -> None:
    last = night(home)
    rows = {row["feature"]: row for row in last.rows("feature_drift").to_pylist()}
    assert rows.keys() == {*NOTHING, *BY_ARM, *OF_ARMS}
    assert {name for name, row in rows.items() if row["key"]} == {*BY_ARM, *OF_ARMS}
    assert rows["age"]["users"] == len(ARMS)
    assert rows["errors_2d"]["users_before"] > rows["errors_2d"]["users"] > 0
    assert rows["last_page"]["mean"] is None
    assert all(row["psi"] >= 0 for row in rows.values())
    page = last.warehouse.report(PROGRAM, last.ds, None).read_text("utf-8")
    assert "<h2>Features</h2>" in page
    assert all(name in page for name in (*NOTHING, "seen_about_1d by user_id, about"))
    ignored = "errors_2d, seen_about_1d, seen_of_arm, since_seen, age"
    assert f"than to without, which is the same but ignores {ignored}" in " ".join(page.split())


@pytest.mark.parametrize("home", ["temporal"], indirect=True)
def test_an_issue_concerns_those_for_whom_its_condition_holds(
    home: Path, tmp_path: Path, program: None
) -> None:
    """By a feature and a column that lands; audit holds the slates against the same users."""
    of_program = programs.find(PROGRAM)
    spec = TEMPORAL if of_program.features_as_of == "temporal" else SPEC
    DECLARED.write(spec.replace("slots: 1", "slots: 1\nconcerns: errors_2d >= 2 and segment == new"))
    try:
        shutil.copytree(home, tmp_path / "home")
        relocate(tmp_path / "home", home)
        last = night(tmp_path / "home")
        run_step("score", last.of_issue("all"))
        run_step("audit", last)
        run_step("publish", last)
        shown = pl.DataFrame(pl.from_arrow(last.table("slates").rows(last.slate_date, last.slate_date)))
        names, end = pseudonyms(), datetime.combine(last.slate_date, datetime.min.time(), UTC)
        concerned = {
            f"user-{user}"
            for user in range(USERS)
            if segment(user) == "new" and by_definition(f"user-{user}", end)["errors_2d"] >= 2
        }
        assert 0 < len(concerned) < USERS / 2
        assert {names[user] for user in shown["user_id"].to_list()} == concerned
    finally:
        DECLARED.write(spec)


def test_a_learner_that_ignores_features_chooses_whatever_they_are(home: Path) -> None:
    last = night(home).of_issue("all")
    digests = {row["learner"]: row["digest"] for row in last.rows("models").to_pylist()}
    rows = pa.table(
        {
            "segment": ["new", "new"],
            **{name: pa.array([value] * 2) for name, value in NOTHING.items() if name != "errors_2d"},
            "errors_2d": [0.0, 9.0],
            "weekday": ["monday"] * 2,
            "hour": [7.0] * 2,
            **{
                name: pa.array([{"c": 1.0}] * 2, pa.map_(pa.string(), pa.float64()))
                for name in ("seen_about_3d", "earned_about", *OF_ARMS.keys() - {"age"})
            },
            **{
                name: pa.array([None, {"c": 9.0, "call": 9.0}], pa.map_(pa.string(), pa.float64()))
                for name in ("seen_about_1d", "seen_of_arm", "since_seen", "age")
            },
        }
    )
    weights = {
        name: scored_by(last.registry.load(digests[name])).choices(rows)
        for name in ("without", "linear_thompson")
    }
    assert (weights["without"][0] == weights["without"][1]).all()
    assert (weights["linear_thompson"][0] != weights["linear_thompson"][1]).any()


def test_features_may_be_of_arms_and_of_the_calendar_alone(tmp_path: Path, program: None) -> None:
    spec = yaml.safe_load(SPEC)
    kept = {name: said for name, said in spec["features"].items() if name in {"weekday", *OF_ARMS}}
    spec["logs"]["crosses"] = [["shown", "about"]]
    spec["learners"].pop("without")
    DECLARED.write(yaml.safe_dump({**spec, "features": kept}))
    for number in range(2):
        land(tmp_path, number)
        run_night(night(tmp_path, number), but=PAGES)
    last = night(tmp_path, 1)
    assert last.rows("features").num_rows == 0
    assert last.rows("features_of_arms")["arm_id"].to_pylist() == [*ARMS]
    assert last.table("slates").rows(last.slate_date, last.slate_date).num_rows == USERS

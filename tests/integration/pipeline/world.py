"""A small program with logs of known propensities, and what comparing two of its warehouses takes."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable

from nightslate import programs
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.plan import plan
from nightslate.pipeline.running import run_step

PROGRAM = "tiny"
DAYS = (date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 3))
ARMS = ("a", "b", "c", "d")
LOGGING = np.array([0.4, 0.3, 0.2, 0.1])
USERS = 40
PURE_STEPS = ("ingest", "attribute", "train", "evaluate")
PURE_TABLES = (
    "impressions",
    "outcomes",
    "users",
    "arms",
    "quarantine",
    "credits",
    "unattributed",
    "models",
    "evaluations",
    "evidence",
)

SPEC = """
program: tiny
description: Four arms in two slots, rewards of two kinds that may come the next day.
start_date: 2024-03-01
slots: 2
depth: 3
buckets: 2
logs:
  propensity: marginal
  context:
    - {name: segment, type: category}
    - {name: age, type: number}
rewards:
  values: {click: 1.0, task: 2.0}
  window: 1d
learners:
  uniform: {kind: uniform}
  popularity: {kind: popularity, prior_strength: 5.0}
  linear_thompson: {kind: linear_thompson, draws: 32}
floor: 0.2
variants:
  personalised: {share: 0.5, policy: champion}
  randomised: {share: 0.5, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 3.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""


def write_program(dags: Path) -> None:
    dags.mkdir(parents=True, exist_ok=True)
    (dags / f"{PROGRAM}.yaml").write_text(SPEC)


def land_all(home: Path) -> None:
    for number, day in enumerate(DAYS):
        land(home, day, impressions(number, day), outcomes(number, day))


def land(
    home: Path, day: date, shown: list[dict[str, object]], done: list[dict[str, object]], files: int = 1
) -> None:
    """The four logs of a day; the impressions in so many files."""
    folder = home / "landing" / PROGRAM
    for log in ("impressions", "outcomes", "users", "arms"):
        (folder / log / f"ds={day}").mkdir(parents=True, exist_ok=True)
    for part in range(files):
        table = pa.Table.from_pylist(shown[part::files], IMPRESSIONS)
        pyarrow.parquet.write_table(table, folder / f"impressions/ds={day}/part-{part}.parquet")
    write_json_lines(folder / f"outcomes/ds={day}/part-0.jsonl", done)
    people = [{"user_id": f"user-{u}", "segment": segment(u), "age": 20.0 + u} for u in range(USERS)]
    write_json_lines(folder / f"users/ds={day}/part-0.jsonl", people)
    write_json_lines(folder / f"arms/ds={day}/part-0.jsonl", [{"arm_id": arm} for arm in ARMS])
    for log in ("impressions", "outcomes", "users", "arms"):
        (folder / log / f"ds={day}" / "_SUCCESS").touch()


IMPRESSIONS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("decision_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("slate_id", pa.string()),
        ("variant", pa.string()),
        ("eligible_arms", pa.list_(pa.string())),
        ("segment", pa.string()),
        ("age", pa.float64()),
    ]
)


def impressions(number: int, day: date, rows: int = 120) -> list[dict[str, object]]:
    random = np.random.default_rng(number)
    start = datetime.combine(day, datetime.min.time(), UTC)
    shown = []
    for row in range(rows):
        user, arm = int(random.integers(USERS)), int(random.choice(4, p=LOGGING))
        shown.append(
            {
                "impression_id": f"{day}-{row}",
                "decision_id": f"{day}-{row}",
                "user_id": f"user-{user}",
                "occurred_at": start + row * timedelta(days=1) / rows,
                "slot": 1 + row % 2,
                "arm_id": ARMS[arm],
                "propensity": float(LOGGING[arm]),
                "segment": segment(user),
                "age": 20.0 + user,
            }
        )
    return shown


def outcomes(number: int, day: date) -> list[dict[str, object]]:
    """Clicks that name their impression, and tasks of the next morning that name nothing but the user."""
    clicks = [
        {
            "outcome_id": f"click-{row['impression_id']}",
            "user_id": row["user_id"],
            "occurred_at": (row["occurred_at"] + timedelta(seconds=5)).isoformat(),
            "kind": "click",
            "value": 1.0,
            "impression_id": row["impression_id"],
        }
        for row in impressions(number, day)
        if row["arm_id"] in ("c", "d") and str(row["impression_id"])[-1] in "0369"
    ]
    morning = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=1)
    tasks = [
        {
            "outcome_id": f"task-{day}-{user}",
            "user_id": f"user-{user}",
            "occurred_at": morning.isoformat(),
            "kind": "task",
            "value": 1.0,
        }
        for user in range(0, USERS, 5)
    ]
    return clicks + tasks


def segment(user: int) -> str:
    return ("new", "old")[user % 2]


def land_logs(home: Path, program: str, day: date, logs: Mapping[str, list[dict[str, Any]]]) -> None:
    """The whole day of each log of a program, as JSON lines."""
    for log, rows in logs.items():
        folder = home / "landing" / program / log / f"ds={day}"
        folder.mkdir(parents=True, exist_ok=True)
        write_json_lines(folder / "part-0.jsonl", rows)
        (folder / "_SUCCESS").touch()


def write_json_lines(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def night(home: Path, day: date) -> IssueNight:
    """A night of the one issue that the program has."""
    return Night(programs.find(PROGRAM), day, home).of_issue("all")


def run_night(home: Path, day: date, steps: tuple[str, ...] = (), but: Collection[str] = ()) -> None:
    """The steps in that order, by default all but some."""
    for step in steps or tuple(task.name for task in plan(programs.find(PROGRAM)) if task.name not in but):
        run_step(step, night(home, day))


def rows(home: Path, *tables: str) -> dict[str, list[str]]:
    """Every row of the tables (all of them by default), in an order that says nothing."""
    folder = home / "tables" / PROGRAM
    names = tables or tuple(sorted(path.name for path in folder.iterdir()))
    return {n: sorted(map(repr, DeltaTable(folder / n).to_pyarrow_table().to_pylist())) for n in names}


def rows_of_night(home: Path, day: date) -> dict[str, list[str]]:
    """The rows of the night of a day, by table that has any."""
    folder, found = home / "tables" / PROGRAM, {}
    for path in sorted(folder.iterdir()):
        table = DeltaTable(path).to_pyarrow_table()
        column = "ds" if "ds" in table.column_names else "slate_date"
        wanted = day if column == "ds" else day + timedelta(days=1)
        found[path.name] = sorted(repr(row) for row in table.to_pylist() if row[column] == wanted)
    return {name: rows for name, rows in found.items() if rows}

"""What runs of `nightslate attribute` in tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from tests.unit.files import logs
from typer.testing import CliRunner, Result

from nightslate.cli import app

Row = dict[str, Any]
NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(before: timedelta) -> str:
    return (NOON - before).isoformat().replace("+00:00", "Z")


def shown(id_: str, before: timedelta, user: str = "u", arm: str = "a", slot: int = 1) -> Row:
    return {"impression_id": id_, "user_id": user, "arm_id": arm, "slot": slot, "occurred_at": at(before)}


def done(id_: str = "o", before: timedelta = timedelta(0), kind: str = "task", **more: Any) -> Row:
    row = {"outcome_id": id_, "user_id": "u", "kind": kind, "value": 1.0, "occurred_at": at(before)}
    return row | more


FOUR = [
    shown("i1", 4 * DAY, arm="a"),
    shown("i2", 3 * DAY, arm="b"),
    shown("i3", 2 * DAY, arm="a"),
    shown("i4", 1 * DAY, arm="c"),
    shown("other", HOUR, user="v"),
]


class Files:
    """A folder with the two files of a run."""

    def __init__(self, folder: Path, suffix: str = ".jsonl") -> None:
        self.folder, self.suffix = folder, suffix
        self.out = folder / "credits.parquet"

    def run(self, impressions: list[Row], outcomes: list[Row], *options: object) -> Result:
        there = [
            logs.write(self.folder / f"{name}{self.suffix}", rows)
            for name, rows in (("impressions", impressions), ("outcomes", outcomes))
        ]
        files = ["--impressions", there[0], "--outcomes", there[1]]
        given = [*files, *([] if "--out" in options else ["--out", self.out]), *options]
        return CliRunner().invoke(app, ["attribute", *map(str, given)])

    def credits(self, impressions: list[Row], outcomes: list[Row], *options: object) -> dict[str, float]:
        """The credit of each impression, over all outcomes."""
        ran = self.run(impressions, outcomes, "--window", "14d", *options)
        assert ran.exit_code == 0, ran.output
        found: dict[str, float] = {}
        for row in pq.read_table(self.out).to_pylist():
            found[row["impression_id"]] = found.get(row["impression_id"], 0.0) + row["credit"]
        return found

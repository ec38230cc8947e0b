"""The small program, some columns of which take a consent, and users of whom some give it."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet
import yaml

from nightslate.pipeline.night import IssueNight
from tests.integration.nights import night_of

from . import world

PROGRAM = "asks"
DAYS = world.DAYS
USERS = tuple(f"user-{number}" for number in range(world.USERS))
MARK, SEEN = "atlantis", "lemuria"
"""In the segments of users, and in where they were seen: what each says of nobody else."""

Said = Mapping[str, Any]
"""What users say of the consent; of whom it says nothing, the column is left out."""

NONE, AGREED = dict[str, Any](), dict[str, Any](dict.fromkeys(USERS, True))


def spec(asks: bool = True, **more: Any) -> dict[str, Any]:
    """Of a night whose features go by the decision. asks: whether the segment takes a consent, too."""
    found = yaml.safe_load(world.SPEC)
    found["program"] = PROGRAM
    found["logs"]["context"][0] |= {"consent": "location"} if asks else {}
    found["logs"]["rejects"] = {"max_share": 0.5}
    found["logs"]["activity"] = {"columns": [{"name": "place", "type": "category"}]}
    visits = {"source": "activity", "aggregation": "count", "window": "2d"}
    place = {"aggregation": "last", "column": "place", "default": "", "window": "2d", "source": "activity"}
    found["features"] = {
        "visits": visits,
        "visits_there": {**visits, "consent": "location"},
        "place": {**place, "consent": "location"},
        "seen_arm": {**visits, "source": "impressions", "key": ["user_id", "arm_id"], "consent": "location"},
    }
    found["features_as_of"] = "temporal"
    return found | more


def night(home: Path, number: int = 0, asks: bool = True, **more: Any) -> IssueNight:
    """So many after the first."""
    return night_of(spec(asks, **more), home, DAYS[number])


def land(
    home: Path, number: int, users: Said = AGREED, shown: Said = NONE, but: Collection[str] = ()
) -> None:
    """The logs of a day, but some; users: what these say in `users`; shown: in impressions."""
    day = DAYS[number]
    then = {"occurred_at": f"{day}T00:00:01Z", "landed_at": f"{day}T00:00:02Z", "kind": "visit"}
    impressions = [
        {**row, "occurred_at": row["occurred_at"].isoformat(), "segment": f"{MARK}-{row['user_id']}-"}
        for row in world.impressions(number, day)
    ]
    logs = {
        "impressions": [{**row, **_said(shown, row["user_id"])} for row in impressions],
        "outcomes": world.outcomes(number, day),
        "users": [
            {"user_id": user, "segment": f"{MARK}-{user}-", "age": 30.0, **_said(users, user)}
            for user in USERS
        ],
        "arms": [{"arm_id": arm} for arm in world.ARMS],
        "activity": [{**then, "user_id": user, "place": f"{SEEN}-{user}-"} for user in USERS],
    }
    world.land_logs(home, PROGRAM, day, {log: rows for log, rows in logs.items() if log not in but})


def _said(consents: Said, user: str) -> dict[str, Any]:
    return {"consent_location": consents[user]} if user in consents else {}


def rows(home: Path, table: str, day: date) -> pl.DataFrame:
    """Of one day."""
    found = pl.read_delta(str(home / "tables" / PROGRAM / table))
    return found.filter(pl.col("ds" if "ds" in found.columns else "slate_date") == day)


def places_with(home: Path, text: str) -> set[str]:
    """The files below a warehouse that hold a text: tables by name."""
    return {name for name, content in written(home).items() if text in content}


def written(home: Path) -> dict[str, str]:
    """All that is below a warehouse, but what landed, as text: of tables together, by name."""
    found = defaultdict[str, str](str)
    for path in home.rglob("*"):
        if path.is_file() and "landing" not in path.parts:
            is_table, name = path.suffix == ".parquet", str(path.relative_to(home))
            found[name.split("/")[2] if is_table else name] += _text(path)
    return found


def _text(path: Path) -> str:
    if path.suffix == ".parquet":
        return json.dumps(pyarrow.parquet.read_table(path).to_pylist(), default=str)
    return path.read_bytes().decode("utf-8", "replace")

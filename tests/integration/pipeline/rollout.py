"""A small app whose new checkout is an experiment that follows the context, with logs by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import yaml

from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import buckets_of, dealt_out
from nightslate.pipeline.night import IssueNight
from nightslate.worlds.landing_files import write_day
from tests.integration.nights import night_of, pseudonym

PROGRAM = "checkout"
START = date(2024, 3, 1)
REGIONS = ("north", "south")
USERS = tuple(f"user-{number:03d}" for number in range(240))

SPEC = """
program: checkout
description: A new checkout for those whom it helps.
start_date: 2024-03-01
buckets: 2
logs:
  propensity: conditional
  context:
    - {name: region, type: category}
    - {name: beta, type: category}
  signals: {region: region}
variants:
  control: {share: 0.5, policy: external}
  treatment: {share: 0.5, policy: external}
experiment:
  control: control
  decided_by: bought
  metrics:
    bought: {source: outcomes, where: {kind: purchase}, window: 2d}
    trouble: {source: outcomes, where: {kind: trouble}, window: 2d}
  guardrails: [{metric: trouble, margin: 0.05, worse: higher}]
  allocation:
    score: {benefit: bought, harm: trouble, models: {linear: {kind: linear}}}
    range: 0.3
    scale: 1.0
    floor: 0.05
    rules: [{when: beta == yes, variant: treatment}]
    signals: [{name: outage, do: stop, least: 2}, {name: outage, do: reduce, factor: 0.5}]
evaluation: {folds: 3}
"""


def night(home: Path, number: int = 0, salt: str = PROGRAM, **allocation: Any) -> IssueNight:
    """A night of the program, so many after the first, with other settings of its allocation."""
    spec = yaml.safe_load(SPEC)
    spec["experiment"]["salt"] = salt
    spec["experiment"]["allocation"] |= allocation
    return night_of(spec, home, START + timedelta(days=number))


def people(users: Sequence[str] = USERS) -> pa.Table:
    """Half of them in each region, one of ten in beta."""
    keys = np.array([seed("user", user) for user in users], dtype=np.uint64)
    north, beta = uniform(mix(keys, 1)) < 0.5, uniform(mix(keys, 2)) < 0.1
    return pa.table(
        {
            "user_id": list(users),
            "region": np.where(north, *REGIONS).tolist(),
            "beta": np.where(beta, "yes", "no").tolist(),
        }
    )


def land(
    home: Path,
    number: int,
    users: Sequence[str] = USERS,
    variants: Mapping[str, str] | None = None,
    signals: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The logs of a day: users of whom a variant is known open the app at noon, and some buy."""
    day = START + timedelta(days=number)
    noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    everyone = people(users)
    shown = [user for user in users if user in (variants or {})]
    of = everyone.filter(pa.array([user in shown for user in users]))
    impressions = pa.table(
        {
            "impression_id": [f"{user}-{day}" for user in shown],
            "decision_id": [f"{user}-{day}" for user in shown],
            "user_id": pa.array(shown, pa.string()),
            "occurred_at": pa.array([noon] * len(shown), pa.timestamp("us", "UTC")),
            "surface": pa.array(["checkout"] * len(shown), pa.string()),
            "slot": pa.array([1] * len(shown), pa.int32()),
            "arm_id": pa.array([(variants or {})[user] for user in shown], pa.string()),
            "propensity": pa.array([0.5] * len(shown), pa.float64()),
            "variant": pa.array([(variants or {})[user] for user in shown], pa.string()),
            "region": of["region"],
            "beta": of["beta"],
        }
    )
    bought = [user for user in shown if seed("buys", user, str(day)) % 3 == 0]
    outcomes = pa.table(
        {
            "outcome_id": [f"{user}-{day}-bought" for user in bought],
            "user_id": pa.array(bought, pa.string()),
            "occurred_at": pa.array([noon + timedelta(minutes=5)] * len(bought), pa.timestamp("us", "UTC")),
            "kind": pa.array(["purchase"] * len(bought), pa.string()),
            "value": pa.array([1.0] * len(bought), pa.float64()),
        }
    )
    said = [
        {
            "name": signal["name"],
            "region": signal.get("region"),
            "severity": float(signal["severity"]),
            "starts_at": noon + timedelta(hours=signal.get("hours", 0)),
            "expires_at": noon + timedelta(days=signal.get("days", 1)),
        }
        for signal in signals
    ]
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("region", pa.string()),
            ("severity", pa.float64()),
            ("starts_at", pa.timestamp("us", "UTC")),
            ("expires_at", pa.timestamp("us", "UTC")),
        ]
    )
    logs = {
        "impressions": impressions,
        "outcomes": outcomes,
        "users": everyone,
        "arms": pa.table({"arm_id": ["control", "treatment"]}),
        "signals": pa.Table.from_pylist(said, schema),
    }
    write_day(home / "landing" / PROGRAM, day, logs)


def score(tonight: IssueNight, scores: Mapping[str, float]) -> None:
    """What a model might expect of the treatment for some users."""
    table = tonight.table("scores")
    rows = [
        {
            "issue": "all",
            "experiment": tonight.issue.salt,
            "user_id": pseudonym(user),
            "variant": "treatment",
            **dict.fromkeys(("benefit_stderr", "harm", "harm_stderr"), 0.0),
            "benefit": value,
            "score": value,
        }
        for user, value in scores.items()
    ]
    attempt, typed = table.begin(tonight.slate_date), table.typed(rows)
    for bucket, of_bucket in dealt_out(typed, buckets_of(typed, tonight.program.buckets)):
        attempt.write(of_bucket, bucket)
    table.publish(attempt.seal(), tonight.commit_metadata)


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / PROGRAM / table))


def assigned(home: Path, number: int) -> pl.DataFrame:
    """Of the day after a night, by raw id."""
    names = pl.DataFrame({"user_id": [pseudonym(user) for user in USERS], "raw": list(USERS)})
    day = START + timedelta(days=number + 1)
    return rows(home, "assignments").filter(pl.col("slate_date") == day).join(names, on="user_id").sort("raw")

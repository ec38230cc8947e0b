"""Nights that read out an experiment whose slates are shown: against sums over its rows made another way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of

from . import world

PROGRAM, USERS, ARMS = "shop", 800, ("a", "b", "c")
DAYS = [date(2024, 3, 1) + timedelta(days=number) for number in range(6)]
START = DAYS[1]
BEFORE_SHOWING = ("ingest", "attribute", "train", "score", "audit", "publish")
CLICKS = {"new": 0.5, "old": 0.3}

EXPERIMENT: dict[str, Any] = {
    "start": START,
    "control": "old",
    "metrics": {"reward": {"source": "rewards"}},
}


def program(shares: dict[str, float], **experiment: Any) -> dict[str, Any]:
    return {
        "program": PROGRAM,
        "description": "a shop",
        "start_date": DAYS[0],
        "buckets": 2,
        "slots": 1,
        "depth": 2,
        "floor": 0.5,
        "logs": {
            "propensity": "marginal",
            "context": [{"name": "segment", "type": "category"}],
            "arm_features": [{"name": "topic", "type": "category"}],
        },
        "rewards": {"values": {"click": 2.0}, "window": "1d"},
        "learners": {"uniform": {"kind": "uniform"}},
        "variants": {name: {"share": share, "policy": "uniform"} for name, share in shares.items()},
        "gate": {"first_champion": "uniform"},
        "experiment": {**EXPERIMENT, **experiment},
    }


def shares_on(number: int) -> dict[str, float]:
    return {"new": 0.5, "old": 0.5}


def night(home: Path, number: int, **experiment: Any) -> IssueNight:
    return night_of(program(shares_on(number), **experiment), home, DAYS[number])


def segment(user: int) -> str:
    return ("web", "app")[user % 2]


def land(home: Path, number: int, lost: float = 0.0) -> None:
    """Of the users of the day, some of all, most are shown the first arm of the slate that was published for
    them, and click by their variant. lost: the share of the new variant's users on the web who are not
    logged."""
    day, dice = DAYS[number], np.random.default_rng(number)
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    users = [f"user-{user}" for user in range(USERS) if number == 0 or (user + number) % 3]
    slates = published(home, day)
    shown, clicks = [], []
    for user in users:
        slate = slates.get(user)
        variant = slate["variant"] if slate else "old"
        uniform = dice.random(4)
        if uniform[0] < 0.3 or (variant == "new" and segment(int(user[5:])) == "web" and uniform[3] < lost):
            continue
        at = midnight + timedelta(hours=float(20 * uniform[1]))
        row = {
            "impression_id": f"{day}-{user}",
            "decision_id": f"{day}-{user}",
            "user_id": user,
            "occurred_at": at.isoformat(),
            "slot": 1,
            "arm_id": slate["ranking"][0] if slate else "a",
            "segment": segment(int(user[5:])),
        }
        shown.append(row | ({"slate_id": slate["slate_id"]} if slate else {"propensity": 1 / 3}))
        if uniform[2] < CLICKS[variant]:
            clicks.append(
                {
                    "outcome_id": f"click-{day}-{user}",
                    "user_id": user,
                    "occurred_at": (at + timedelta(minutes=5)).isoformat(),
                    "kind": "click",
                    "value": float(dice.integers(1, 4)),
                    "impression_id": f"{day}-{user}",
                }
            )
    logs = {
        "impressions": shown,
        "outcomes": clicks,
        "users": [{"user_id": user, "segment": segment(int(user[5:]))} for user in users],
        "arms": [{"arm_id": arm, "topic": "beyond" if arm == "c" else "core"} for arm in ARMS],
    }
    world.land_logs(home, PROGRAM, day, logs)


def published(home: Path, day: date) -> dict[str, dict[str, Any]]:
    """By user the slate of a day, if any was published."""
    path = home / "tables" / PROGRAM / "slates"
    if not path.exists():
        return {}
    slates = pl.read_delta(str(path)).filter(pl.col("slate_date") == day)
    ids = [f"user-{user}" for user in range(USERS)]
    names = dict(zip(pseudonyms(ids), ids, strict=True))
    return {names[slate["user_id"]]: slate for slate in slates.to_dicts()}


def pseudonyms(ids: list[str]) -> list[str]:
    import pyarrow as pa

    from nightslate.kernels.pseudonyms import Pseudonymiser

    return Pseudonymiser.from_environment()(pa.array(ids)).to_pylist()


def play(home: Path, nights: int, **lost: float) -> None:
    for number in range(nights):
        land(home, number, **lost)
        for step in BEFORE_SHOWING:
            run_step(step, night(home, number))


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / PROGRAM / table))


def read_out(home: Path, number: int, **experiment: Any) -> str:
    return run_step("readout", night(home, number, **experiment))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    found = tmp_path_factory.mktemp("readouts")
    play(found, len(DAYS))
    return found


def first_assigned(home: Path, until: date) -> pl.DataFrame:
    found = rows(home, "assignments").filter(pl.col("slate_date").is_between(START, until))
    return found.sort("slate_date").group_by("user_id", maintain_order=True).first()


def test_what_each_variant_is_worth_is_that_of_its_users_rows(home: Path) -> None:
    read_out(home, 4)
    found = rows(home, "readouts").filter(ds=DAYS[4], period="cumulative", method="difference")
    users = first_assigned(home, DAYS[4])
    shown = rows(home, "impressions").filter(pl.col("ds").is_between(START, DAYS[4]))
    earned = (
        rows(home, "credits").filter(pl.col("ds") <= DAYS[4]).group_by("impression_id").agg(pl.sum("credit"))
    )
    shown = shown.join(users.select("user_id", "slate_date", first="variant"), on="user_id")
    shown = shown.filter(pl.col("ds") >= pl.col("slate_date"))
    shown = shown.join(earned, on="impression_id", how="left").with_columns(pl.col("credit").fill_null(0.0))
    by_user = shown.group_by("user_id").agg(pl.sum("credit"))
    for scope, how in (("assigned", "left"), ("exposed", "inner")):
        told = users.join(by_user, on="user_id", how=how).with_columns(pl.col("credit").fill_null(0.0))
        new, old = (told.filter(variant=name)["credit"].to_numpy() for name in ("new", "old"))
        row = found.filter(scope=scope, variant="new").row(0, named=True)
        welch = stats.ttest_ind(new, old, equal_var=False)
        assert row["n"] == new.size
        assert row["mean"] == pytest.approx(new.mean(), rel=1e-12)
        assert row["effect"] == pytest.approx(new.mean() - old.mean(), rel=1e-9)
        assert row["p"] == pytest.approx(welch.pvalue, rel=1e-6)
        ends = welch.confidence_interval(0.95)
        assert (row["lower"], row["upper"]) == pytest.approx((ends.low, ends.high), rel=1e-9)
        control = found.filter(scope=scope, variant="old").row(0, named=True)
        assert (control["n"], control["mean"]) == (old.size, pytest.approx(old.mean()))
        assert control["effect"] is None
    assert (
        found.filter(scope="exposed", variant="new")["n"][0]
        < found.filter(scope="assigned", variant="new")["n"][0]
    )


def test_a_rerun_and_later_nights_leave_the_rows_of_a_night_as_they_are(home: Path) -> None:
    read_out(home, 3)
    tables = ("readouts", "sample_ratios", "readout_decisions")
    before = [rows(home, table).filter(ds=DAYS[3]).sort(pl.all().exclude("reasons")) for table in tables]
    read_out(home, 5)
    read_out(home, 3)
    after = [rows(home, table).filter(ds=DAYS[3]).sort(pl.all().exclude("reasons")) for table in tables]
    assert all(one.height and one.equals(other) for one, other in zip(before, after, strict=True))


def test_a_night_before_the_start_waits_and_says_so(home: Path) -> None:
    said = read_out(home, 0)
    assert said == f"waits: the experiment begins with the slates of {START}"
    assert rows(home, "readouts").filter(ds=DAYS[0]).height == 0
    (row,) = rows(home, "readout_decisions").filter(ds=DAYS[0]).to_dicts()
    assert (row["decision"], row["assigned"]) == ("waits", 0)

"""An experiment of somebody else's, whose variants stand in the logs: nights that read it out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightslate.pipeline.night import Night
from tests.integration.nights import DOCS, night_of, pseudonym, run_night

from . import world
from .test_dashboard import column, sections

PROGRAM, USERS = "pages", 1_500
DAYS = [date(2024, 3, 1) + timedelta(days=number) for number in range(3)]
SHARES = {"new": 0.3, "old": 0.7}
CLICKS = {"new": 0.5, "old": 0.3}
SPEC: dict[str, Any] = {
    "program": PROGRAM,
    "description": "pages of two designs",
    "start_date": DAYS[0],
    "buckets": 2,
    "slots": 2,
    "logs": {"propensity": "marginal", "context": [{"name": "segment", "type": "category"}]},
    "variants": {name: {"share": share, "policy": "external"} for name, share in SHARES.items()},
    "experiment": {
        "assigned_by": "logs",
        "control": "old",
        "metrics": {"clicks": {"source": "outcomes", "where": {"kind": "click"}}},
        "segments": ["segment"],
    },
}


def night(home: Path, number: int) -> Night:
    return night_of(SPEC, home, DAYS[number])


def shown(day: date, user: int, variant: str | None, hour: float = 1.0) -> dict[str, Any]:
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
    name = f"{day}-{user}-{hour}"
    return {
        "impression_id": name,
        "decision_id": name,
        "user_id": f"user-{user}",
        "occurred_at": at.isoformat(),
        "slot": 1 + user % 2,
        "arm_id": "page",
        "propensity": 1.0,
        "segment": ("web", "app")[user % 2],
        **({"variant": variant} if variant else {}),
    }


def clicked(impression: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome_id": f"click-{impression['impression_id']}",
        "user_id": impression["user_id"],
        "occurred_at": impression["occurred_at"],
        "kind": "click",
        "value": 1.0,
    }


def land(home: Path, day: date, impressions: list[dict[str, Any]], outcomes: list[dict[str, Any]]) -> None:
    logs = {
        "impressions": impressions,
        "outcomes": outcomes,
        "users": [{"user_id": "user-0", "segment": "web"}],
        "arms": [{"arm_id": "page"}],
    }
    world.land_logs(home, PROGRAM, day, logs)


def landed_by_chance(home: Path, dice: np.random.Generator) -> pl.DataFrame:
    """Every user comes on two days in a row of three, in one variant; what was landed, a row a user."""
    users, came = np.arange(USERS), dice.integers(0, 2, USERS)
    variants = np.where(dice.random(USERS) < SHARES["new"], "new", "old")
    clicks = np.zeros(USERS)
    for number, day in enumerate(DAYS):
        today = users[(came == number) | (came == number - 1)]
        rows = [shown(day, user, str(variants[user])) for user in today.tolist()]
        hit = dice.random(today.size) < [CLICKS[name] for name in variants[today]]
        clicks[today] += hit
        land(home, day, rows, [clicked(row) for row, one in zip(rows, hit.tolist(), strict=True) if one])
    return pl.DataFrame({"variant": variants, "clicks": clicks})


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / PROGRAM / table))


@pytest.mark.usefixtures("program")
def test_the_nights_read_out_what_somebody_else_dealt(tmp_path: Path) -> None:
    of_users = landed_by_chance(tmp_path, np.random.default_rng(5))
    said = [run_night(night(tmp_path, number), but=DOCS if number < 2 else ()) for number in range(len(DAYS))]

    assert list(said[-1]) == ["ingest", "logged_assignments", "readout", "dashboard", "data_docs"]
    assert said[-1]["readout"].startswith("ship new")
    told = rows(tmp_path, "readouts").filter(
        ds=DAYS[-1], variant="new", metric="clicks", period="cumulative", scope="exposed", method="difference"
    )
    of_all = told.filter(pl.col("segment").is_null()).row(0, named=True)
    new, old = (of_users.filter(variant=name)["clicks"].to_numpy() for name in ("new", "old"))
    by_welch = stats.ttest_ind(new, old, equal_var=False)
    assert of_all["n"] == new.size
    assert of_all["effect"] == pytest.approx(new.mean() - old.mean(), abs=1e-12)
    assert of_all["p"] == pytest.approx(by_welch.pvalue, rel=0.02)
    assert {*told["segment_value"].drop_nulls()} == {"web", "app"}
    assigned = rows(tmp_path, "assignments")
    by_day = assigned.group_by("slate_date").len().sort("slate_date")
    assert column(sections(tmp_path, PROGRAM)["nights"], "slates") == by_day["len"].to_list()
    assert {*assigned.select("variant", "probability").iter_rows()} == {*SHARES.items()}
    assert {*assigned["reason"]} == {"logged"}
    assert {*assigned["slate_date"]} == {*DAYS}


@pytest.mark.usefixtures("program")
def test_days_may_be_taken_in_and_read_out_in_any_order(tmp_path: Path) -> None:
    found = []
    for order in ([0, 1, 2, 2], [2, 1, 0, 2]):
        home = tmp_path / "-".join(map(str, order))
        home.mkdir()
        landed_by_chance(home, np.random.default_rng(6))
        for number in order:
            run_night(night(home, number), but=DOCS)
        found.append(rows(home, "readouts").filter(ds=DAYS[-1]).sort(pl.all()))
    assert found[0].equals(found[1])


@pytest.mark.usefixtures("program")
def test_a_user_is_in_the_variant_that_was_named_first_and_others_are_told(tmp_path: Path) -> None:
    day = DAYS[0]
    twice = [shown(day, 7, "old", 5.0), shown(day, 7, "new", 3.0), shown(day, 7, None, 2.0)]
    others = [shown(day, 8, "older"), shown(day, 9, None)]
    land(tmp_path, day, [*twice, *others], [])

    said = run_night(night(tmp_path, 0), "ingest", "logged_assignments")

    (only,) = rows(tmp_path, "assignments").select("user_id", "variant").rows()
    assert only == (pseudonym("user-7"), "new")
    assert "; 2 impressions name no variant and are outside" in said["logged_assignments"]
    assert (
        "Look: impressions name variants that the experiment has not: older (1)" in said["logged_assignments"]
    )


@pytest.mark.usefixtures("program")
def test_users_who_are_shown_two_variants_make_a_readout_unhealthy(tmp_path: Path) -> None:
    first = [shown(DAYS[0], user, ("new", "old")[user % 10 > 2]) for user in range(400)]
    later = [shown(DAYS[1], user, ("new", "old")[user % 10 < 8]) for user in range(400)]
    for number, impressions in enumerate((first, later)):
        land(tmp_path, DAYS[number], impressions, [])
        said = run_night(night(tmp_path, number), but=DOCS)
    assert said["readout"].startswith("not healthy")
    assert "of the exposed users were shown another variant than they are" in said["readout"]

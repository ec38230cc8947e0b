"""Nights of a program whose arms cost something, beside nights of one that knows no costs: there each
impression has an outcome of its own, a fee, that takes as much off."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from nightslate.errors import SpecError
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of

from . import test_sequences, world

pytestmark = pytest.mark.e2e

COSTS = {"a": 0.5, "c": 0.25}
LAST = world.DAYS[-1]
COMPARED = ("models", "evaluations", "evidence", "promotions", "slates", "transitions", "sweeps", "ledger")
STEPS = ("ingest", "attribute", "transitions", "train", "evaluate", "promote", "score", "audit", "publish")


def shown_on(number: int, day: date) -> list[dict[str, object]]:
    """Decisions of one or two slots, arms at random, the second slot another one than the first."""
    dice, midnight = np.random.default_rng(number), datetime.combine(day, datetime.min.time(), UTC)
    slates = [
        (decision, int(dice.integers(world.USERS)), dice.permutation(4).tolist()) for decision in range(60)
    ]
    return [
        {
            "impression_id": f"{day}-{decision}-{slot}",
            "decision_id": f"{day}-{decision}",
            "user_id": f"user-{user}",
            "occurred_at": midnight + decision * timedelta(minutes=20),
            "slot": slot,
            "arm_id": world.ARMS[arms[slot - 1]],
            "propensity": 1 / 4 if slot == 1 else 1 / 3,
            "segment": world.segment(user),
            "age": 20.0 + user,
        }
        for decision, user, arms in slates
        for slot in (1, 2)[: 2 if decision % 3 else 1]
    ]


def clicks_on(shown: list[dict[str, object]]) -> list[dict[str, object]]:
    return [of(row, "click", 1.0) for row in shown if hash_of(row) % 5 < 2 + (row["arm_id"] == "d")]


def fees_of(shown: list[dict[str, object]], costs: dict[str, float]) -> list[dict[str, object]]:
    return [of(row, "fee", costs[str(row["arm_id"])]) for row in shown if row["arm_id"] in costs]


def of(row: dict[str, object], kind: str, value: float) -> dict[str, object]:
    at = row["occurred_at"]
    return {
        "outcome_id": f"{kind}-{row['impression_id']}",
        "user_id": row["user_id"],
        "occurred_at": at if isinstance(at, str) else at.isoformat(),  # type: ignore[attr-defined]
        "kind": kind,
        "value": value,
        "impression_id": row["impression_id"],
    }


def hash_of(row: dict[str, object]) -> int:
    return sum(map(ord, str(row["impression_id"]))) * 7


def tiny(costs: bool, **changed: Any) -> dict[str, Any]:
    """The program `tiny`, by what arms cost or by fees."""
    spec = yaml.safe_load(world.SPEC)
    rewards = {"values": {"click": 1.0}, "window": "1d", **changed.pop("rewards", {})}
    spec["evaluation"] |= {"reward_range": [0.0, 1.0]} | changed.pop("evaluation", {})
    spec["logs"] |= changed.pop("logs", {})
    if costs:
        rewards["costs"] = COSTS
    else:
        rewards["values"]["fee"] = -1.0
        spec["evaluation"]["reward_range"] = [-0.5, 1.0]
    return spec | {"rewards": rewards} | changed


def rows(home: Path, program: str, table: str) -> list[dict[str, Any]]:
    """All rows but for what only a night's own run makes."""
    path = home / "tables" / program / table
    found = pl.read_delta(str(path)).drop("created_at", strict=False) if path.exists() else pl.DataFrame()
    return sorted(found.to_dicts(), key=repr)


def tables(home: Path, program: str) -> dict[str, list[dict[str, Any]]]:
    return {table: found for table in COMPARED if (found := rows(home, program, table))}


def after_a_night(home: Path, spec: dict[str, Any], with_fees: bool) -> dict[str, list[dict[str, Any]]]:
    home.mkdir()
    for number, day in enumerate(world.DAYS):
        shown = shown_on(number, day)
        world.land(home, day, shown, clicks_on(shown) + (fees_of(shown, COSTS) if with_fees else []))
    for step in STEPS:
        if step != "transitions":
            run_step(step, night_of(spec, home, LAST))
    return tables(home, spec["program"])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="impressions"),
        pytest.param({"rewards": {"maturity": "ipcw", "min_seen": 0.5}}, id="young impressions"),
        pytest.param({"evaluation": {"interval": "hoeffding"}}, id="guaranteed intervals"),
        pytest.param(
            {"logs": {"propensity": "conditional"}, "evaluation": {"interval": "empirical_bernstein"}},
            id="decisions as a whole",
        ),
    ],
)
def test_what_an_arm_costs_is_what_a_fee_takes_off(tmp_path: Path, changed: dict[str, Any]) -> None:
    ours = after_a_night(tmp_path / "costs", tiny(costs=True, **changed), with_fees=False)
    by_fees = after_a_night(tmp_path / "fees", tiny(costs=False, **changed), with_fees=True)
    assert ours.keys() == by_fees.keys() >= {"models", "evaluations", "evidence", "promotions", "slates"}
    for table, expected in by_fees.items():
        assert ours[table] == expected, table
    assert min(row["reward_low"] for row in ours["models"]) == -0.5


def test_costs_of_arms_that_nobody_has_seen_are_said(landed: Path) -> None:
    spec = yaml.safe_load(world.SPEC)
    spec["rewards"]["costs"] = {"a": 0.5, "A": 1.0, "discuont": 2.0}
    for step in ("ingest", "attribute"):
        run_step(step, night_of(spec, landed, world.DAYS[0]))
    said = run_step("train", night_of(spec, landed, world.DAYS[0]))
    assert said.endswith(
        "Look: rewards.costs has 'A', 'discuont': no arm of the 28 days up to 2024-03-01 is called so"
    )
    spec["rewards"]["costs"] = {"a": 0.5}
    assert "Look" not in run_step("train", night_of(spec, landed, world.DAYS[0]))


def test_an_edit_of_costs_is_another_currency_and_needs_no_attribution(landed: Path) -> None:
    """Evidence that was taken before counts no more; credits are what they were. Evidence that is taken from
    now on knows that an impression may be worth less than nothing, whatever its models were fitted on."""
    spec = yaml.safe_load(world.SPEC)
    spec["rewards"]["window"] = "12h"
    del spec["evaluation"]["reward_range"]
    following = LAST + timedelta(days=1)
    world.land(landed, following, world.impressions(3, following), world.outcomes(3, following))
    for day in world.DAYS[1:]:
        for step in ("ingest", "attribute", "train", "evaluate"):
            run_step(step, night_of(spec, landed, day))
    for step in ("ingest", "attribute"):
        run_step(step, night_of(spec, landed, following))
    credits = rows(landed, world.PROGRAM, "credits")
    assert taken(landed) == [(world.DAYS[1], 0.0)]
    spec["rewards"]["costs"] = COSTS
    for step in ("attribute", "train", "evaluate", "promote"):
        assert "anew" not in run_step(step, night_of(spec, landed, following))
    assert rows(landed, world.PROGRAM, "credits") == credits
    assert taken(landed) == [(world.DAYS[1], 0.0), (world.DAYS[2], -0.5)]
    assert {look["cohorts"] for look in rows(landed, world.PROGRAM, "promotions")} == {1}


def taken(home: Path) -> list[tuple[date, float]]:
    """The days of evidence, and the least that a reward counted as."""
    terms = [row for row in rows(home, world.PROGRAM, "evidence") if row["about"] == "value"]
    return sorted({(row["ds"], row["reward_low"]) for row in terms})


def test_sequences_earn_less_what_their_arms_cost(tmp_path: Path) -> None:
    found = {}
    for name in ("costs", "fees"):
        home, spec = tmp_path / name, yaml.safe_load(test_sequences.SPEC)
        for day in test_sequences.DAYS:
            test_sequences.land(home, day)
        if name == "costs":
            spec["rewards"]["costs"] = {"a": 0.25}
        else:
            spec["rewards"]["values"]["fee"] = -1.0
            spec["rewards"]["attribution"]["matches"] = {"fee": "impression"}
            for day in test_sequences.DAYS:
                folder = home / "landing" / spec["program"]
                shown = pl.read_ndjson(folder / f"impressions/ds={day}/part-0.jsonl").to_dicts()
                fees = fees_of(shown, {"a": 0.25})
                world.write_json_lines(folder / f"outcomes/ds={day}/fees.jsonl", fees)
        for step in STEPS[:6]:
            run_step(step, night_of(spec, home, test_sequences.NIGHT))
        found[name] = tables(home, spec["program"])
    assert found["costs"].keys() == found["fees"].keys() >= {"transitions", "sweeps", "evidence"}
    for table, expected in found["fees"].items():
        assert found["costs"][table] == expected, table
    rewards = {row["reward"] for row in found["costs"]["transitions"]}
    assert rewards == {-0.25, 0.0, 1.0}  # b after a pays, and a is what costs

    spec["rewards"]["costs"] = {"b": 0.25}
    dearer = night_of(spec, tmp_path / "fees", test_sequences.NIGHT)
    with pytest.raises(SpecError, match=r"offers transitions: .*rewards.costs.b was not there and is 0.25"):
        run_step("train", dearer)
    run_step("transitions", dearer)
    known = rows(tmp_path / "fees", "offers", "transitions")
    of_window = {row["reward"] for row in known if row["ds"] > test_sequences.DAYS[0]}
    assert of_window == {-0.25, 0.75}

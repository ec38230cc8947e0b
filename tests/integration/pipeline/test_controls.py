"""The champion of nights against controls, beside an enumeration of what each policy would have shown."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from nightslate.models.files import scored_by
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load

from . import world
from .conftest import relocate

FITTED, SHOWN, NIGHT = world.DAYS
MULTIPLIERS = {"a": 3.0, "b": 1.0, "c": 0.25, "d": 1.0}
CONTROLS = ("random", "without_levers", "propensity_only", "present_rule")
CHAMPION = "linear_thompson"
FLOOR, MIN_ESS = 0.2, 50.0
Weights = dict[str, float]


def program(**changed: Any) -> dict[str, Any]:
    """The program `tiny` with a goal, whose champion learns, and that is held against controls."""
    spec = yaml.safe_load(world.SPEC)
    spec |= {"exposure": [{"name": "first", "arms": ["a"], "share": 0.3}]}
    spec["gate"] |= {"first_champion": CHAMPION, "estimator": "ips", "min_ess": MIN_ESS}
    spec["experiment"] = {"control": "randomised", "metrics": {"reward": {"source": "rewards"}}}
    spec["evaluation"] |= {"estimators": ["ips"], "interval": "delta", "controls": list(CONTROLS)}
    return spec | changed


def night(home: Path, spec: Mapping[str, Any]) -> IssueNight:
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(dict(spec)))
    return Night(load(path), NIGHT, home).of_issue("all")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, three_nights: Path) -> Path:
    """The three nights, as if the first had known as much as the second, and had solved a goal, held against
    controls by the last."""
    home = tmp_path_factory.mktemp("controls") / "home"
    shutil.copytree(three_nights, home)
    relocate(home, three_nights)
    of_program = night(home, program())
    rows = [
        {"issue": "all", "arm_id": arm, "multiplier": multiplier, "exposures": 1.0}
        for arm, multiplier in MULTIPLIERS.items()
    ]
    solved, models = of_program.table("multipliers"), of_program.table("models")
    solved.replace(SHOWN, solved.typed(rows), {})
    models.replace(FITTED, models.rows(SHOWN, SHOWN).drop_columns("ds"), {})
    run_step("controls", of_program)
    return home


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables/tiny" / table))


def shown(home: Path) -> pl.DataFrame:
    """What was shown on the day, with what it earned."""
    earned = rows(home, "credits").group_by("impression_id").agg(reward=pl.col("credit").sum())
    of_day = rows(home, "impressions").filter(pl.col("ds") == SHOWN)
    return of_day.join(earned, "impression_id", "left").with_columns(pl.col("reward").fill_null(0.0))


def in_slot(weights: Weights, slot: int, arm: str) -> float:
    """The probability that an arm is there, by all rankings that put it there."""
    found = 0.0
    for ranking in permutations(weights, slot):
        if ranking[-1] == arm:
            left, probability = dict(weights), 1.0
            for each in ranking:
                probability *= left.pop(each) / (sum(left.values()) + weights[each])
            found += probability
    return found


def with_floor(probabilities: Weights) -> Weights:
    total = sum(probabilities.values())
    return {a: (1 - FLOOR) * p / total + FLOOR / len(probabilities) for a, p in probabilities.items()}


def policies(home: Path, row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By policy the probability that each arm would have been in the slot of a row."""
    found = rows(home, "models").filter(ds=FITTED, learner=CHAMPION)
    model = scored_by(night(home, program()).registry.load(found["digest"][0]))
    context = pl.DataFrame([row]).select("segment", "age").to_arrow()
    chosen, expected = (
        dict(zip(model.arms, each[0].tolist(), strict=True))
        for each in (model.choices(context), model.expected_rewards(context))
    )
    spread = {arm: 0.999 * p + 0.001 / 4 for arm, p in chosen.items()}
    tilted = {arm: p * MULTIPLIERS[arm] for arm, p in spread.items()}
    best = sorted(expected, key=lambda arm: -expected[arm])
    by_weight = {
        "champion": with_floor(tilted),
        "random": dict.fromkeys(world.ARMS, 1.0),
        "without_levers": with_floor(chosen),
        "present_rule": dict.fromkeys(world.ARMS, 0.25),
    }
    return {
        "propensity_only": {arm: float(arm == best[row["slot"] - 1]) for arm in world.ARMS},
        **{
            name: {arm: in_slot(weights, row["slot"], arm) for arm in world.ARMS}
            for name, weights in by_weight.items()
        },
    }


@pytest.fixture(scope="module")
def weighed(home: Path) -> list[tuple[str, float, dict[str, float]]]:
    """The user of each row, what it earned, and its importance weight by policy."""
    return [
        (
            row["user_id"],
            row["reward"],
            {name: by_arm[row["arm_id"]] / row["propensity"] for name, by_arm in policies(home, row).items()},
        )
        for row in shown(home).to_dicts()
    ]


def by_hand(weighed: list[tuple[str, float, dict[str, float]]], terms: Any) -> tuple[float, float]:
    """The mean of terms (reward, weights) over rows, and its standard error, by user."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for user, reward, weights in weighed:
        sums[user][0] += terms(reward, weights)
        sums[user][1] += 1
    total = np.array(list(sums.values()))
    mean = total[:, 0].sum() / len(weighed)
    residual, users = total[:, 0] - mean * total[:, 1], len(total)
    return mean, np.sqrt(users / (users - 1) * (residual**2).sum()) / len(weighed)


def test_values_and_differences_are_those_of_an_enumeration(
    home: Path, weighed: list[tuple[str, float, dict[str, float]]]
) -> None:
    found = {row["policy"]: row for row in rows(home, "controls").to_dicts()}
    assert list(found) == ["champion", *CONTROLS]
    assert len(weighed) > 100
    for name, row in found.items():
        assert (row["n"], row["days"], row["first_day"], row["last_day"]) == (len(weighed), 1, SHOWN, SHOWN)
        expected = by_hand(weighed, lambda reward, w, name=name: reward * w[name])
        assert (row["value"], row["stderr"]) == pytest.approx(expected, rel=1e-6)
        assert row["lower"] < row["value"] < row["upper"]
        own = np.array([weights[name] for _, _, weights in weighed])
        assert row["ess"] == pytest.approx(own.sum() ** 2 / (own**2).sum(), rel=1e-6)
        assert row["max_weight"] == pytest.approx(own.max(), rel=1e-6)
        assert row["unsupported_share"] == pytest.approx(0, abs=1e-12)
        assert bool(row["remark"]) == (row["ess"] < MIN_ESS)
    for name in CONTROLS:
        row = found[name]
        expected = by_hand(weighed, lambda reward, w, name=name: reward * (w["champion"] - w[name]))
        assert (row["difference"], row["difference_stderr"]) == pytest.approx(expected, rel=1e-5)
        assert row["difference_lower"] < row["difference"] < row["difference_upper"]
        assert row["champion_value"] == pytest.approx(found["champion"]["value"])
    assert found["random"]["value"] == pytest.approx(found["present_rule"]["value"], rel=1e-6)
    assert len({round(row["value"], 6) for row in found.values()}) == len(found) - 1
    assert found["champion"]["difference"] is None
    assert "fewer effective samples" in found["propensity_only"]["remark"]
    assert found["random"]["remark"] is None

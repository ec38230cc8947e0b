"""Nights that choose the epsilon of a learner by their own sweep."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.integration.nights import DOCS, night_of, run_night

from . import test_sequences, world

pytestmark = pytest.mark.e2e

LEAST, MOST = 0.05, 0.6
EPSILON = {"least": LEAST, "most": MOST}


def of_impressions() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(world.SPEC)
    spec["learners"]["popularity"]["prior_strength"] = 50.0
    greedy = {"kind": "epsilon_greedy", "estimator": "ridge"}
    spec["learners"] |= {"greedy": greedy | {"epsilon": EPSILON}, "fixed": greedy}
    return spec


def of_sequences() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(test_sequences.SPEC)
    learner = spec["learners"]["fitted_q"] | {"choose": "epsilon_greedy"}
    spec["learners"] = {
        "uniform": {"kind": "uniform"},
        "greedy": learner | {"epsilon": EPSILON},
        "fixed": learner,
    }
    return spec


def run(home: Path, day: date, spec: dict[str, Any], *steps: str) -> dict[str, str]:
    return run_night(night_of(spec, home, day), *steps, but=DOCS)


def rows(home: Path, spec: dict[str, Any], table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / spec["program"] / table))


def require_chosen_by_its_sweep(home: Path, spec: dict[str, Any], day: date, said: dict[str, str]) -> float:
    """The one epsilon within the ends that has the highest lower end is in the model, and is said."""
    swept = rows(home, spec, "sweeps").filter(pl.col("ds") == day, learner="greedy").sort("epsilon")
    assert swept.height == 11
    assert swept["epsilon"][0] == 0.0
    within = swept.filter(pl.col("epsilon").is_between(LEAST, MOST))
    assert within.height == 10
    best = within.sort("lower")[-1].to_dicts()[0]
    (chosen,) = swept.filter("chosen").to_dicts()
    assert chosen == best
    of = night_of(spec, home, day)
    models = rows(home, spec, "models").filter(pl.col("ds") == day)
    of_learner = {row["learner"]: of.registry.load(row["digest"]).policy for row in models.to_dicts()}
    assert float(of_learner["greedy"].epsilon) == chosen["epsilon"]
    assert float(of_learner["fixed"].epsilon) == 0.1
    for step in ("train", "evaluate"):
        assert f", greedy plays epsilon {chosen['epsilon']:.3g}" in said[step]
    metrics = of.mlflow.get_run(of.run().id).data.metrics
    assert metrics["greedy.epsilon"] == chosen["epsilon"]
    page = (home / "reports" / spec["program"] / f"{day}.html").read_text()
    assert "How much greedy explores" in page
    assert "How much fixed explores" not in page
    assert f"plays epsilon <b>{chosen['epsilon']:,.6g}</b>" in page
    return float(chosen["epsilon"])


def test_of_impressions_the_night_plays_the_epsilon_of_the_highest_lower_end(landed: Path) -> None:
    spec, last = of_impressions(), world.DAYS[2]
    said = run(landed, last, spec)
    require_chosen_by_its_sweep(landed, spec, last, said)
    assert rows(landed, spec, "sweeps")["learner"].unique().to_list() == ["greedy"]

    pure = ("models", "sweeps", "evaluations")
    before = {table: sorted(map(repr, rows(landed, spec, table).to_dicts())) for table in pure}
    run(landed, last, spec, "train", "evaluate")
    assert {table: sorted(map(repr, rows(landed, spec, table).to_dicts())) for table in pure} == before


def test_of_sequences_too(tmp_path: Path) -> None:
    for day in test_sequences.DAYS:
        test_sequences.land(tmp_path, day)
    spec = of_sequences()
    said = run(tmp_path, test_sequences.NIGHT, spec)
    require_chosen_by_its_sweep(tmp_path, spec, test_sequences.NIGHT, said)
    fixed = rows(tmp_path, spec, "sweeps").filter(learner="fixed")
    assert fixed["chosen"].to_list() == [None] * 10


def test_nights_in_any_order_choose_the_same(landed: Path, tmp_path: Path) -> None:
    """A night that trains one before it, which has not run, goes back to the days of that one's sweep."""
    spec, steps = of_impressions(), ("ingest", "attribute", "train", "evaluate")
    spec["rewards"]["window"], spec["training"] = "6h", {"window_days": 1}
    spec["evaluation"]["window_days"] = 2
    other, days = tmp_path / "other", [*world.DAYS, world.DAYS[-1] + timedelta(days=1)]
    world.land_all(other)
    for home in (landed, other):
        world.land(home, days[3], world.impressions(3, days[3]), world.outcomes(3, days[3]))
    for day in days:
        run(landed, day, spec, *steps)
    run(other, days[3], spec, *steps)
    in_order, at_once = (
        {(row["ds"], row["learner"]): row["digest"] for row in rows(home, spec, "models").to_dicts()}
        for home in (landed, other)
    )
    assert {day for day, _ in at_once} == {days[1], days[3]}
    assert at_once.items() <= in_order.items()
    for day in reversed(days):
        run(other, day, spec, *steps)
    for table in ("models", "sweeps", "evaluations", "evidence"):
        found, backwards = (sorted(map(repr, rows(home, spec, table).to_dicts())) for home in (landed, other))
        assert found == backwards, table


def test_where_nothing_is_known_it_explores_as_much_as_it_may(landed: Path) -> None:
    spec = of_impressions()
    said = run(landed, world.DAYS[0], spec, "ingest", "attribute", "train", "evaluate")
    assert ", greedy plays epsilon 0.6" in said["train"]
    swept = rows(landed, spec, "sweeps").filter("chosen")
    assert swept.select("epsilon", "lower").rows() == [(MOST, None)]


@pytest.mark.parametrize("interval", ["hoeffding", "delta"])
def test_by_whatever_interval(landed: Path, interval: str) -> None:
    spec = of_impressions()
    spec["evaluation"]["interval"] = interval
    said = run(landed, world.DAYS[2], spec, "ingest", "attribute", "train", "evaluate")
    swept = rows(landed, spec, "sweeps").filter(pl.col("epsilon") >= LEAST).sort("lower", "epsilon")
    assert swept["chosen"].to_list() == [False] * 9 + [True]
    assert f"greedy plays epsilon {swept['epsilon'][-1]:.3g}" in said["evaluate"]

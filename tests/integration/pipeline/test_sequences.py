"""Nights of a program whose decisions follow one another: two offers a day, of which b after a pays."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from nightslate import programs
from nightslate.core.fitted_q import FittedQPolicy
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import plan
from nightslate.pipeline.running import run_step

from . import world

PROGRAM, USERS, ARMS = "offers", 400, ("a", "b")
DAYS = (date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 3))
NIGHT = DAYS[-1]
SPEC = """
program: offers
description: Two offers a day, of which the second pays after the first.
start_date: 2024-03-01
slots: 1
depth: 2
buckets: 2
logs:
  propensity: conditional
  context:
    - {name: advertised, type: number}
    - {name: offers, type: number}
rewards: {name: purchases, values: {purchase: 1.0}, window: 6h, attribution: {match: user}}
sequence: {gap: 6h, longest: 12h}
learners:
  uniform: {kind: uniform}
  fitted_q: {kind: fitted_q, estimator: extra_trees_regressor, parameters: {n_estimators: 5}}
floor: 0.02
variants:
  personalised: {share: 0.9, policy: champion}
  randomised: {share: 0.1, policy: uniform}
training: {window_days: 2}
evaluation: {window_days: 2, folds: 2, resamples: 100}
gate: {first_champion: uniform, min_ess: 50.0}
"""


def land(home: Path, day: date) -> None:
    """The logs of a day, in which everybody got two offers at random, three hours apart."""
    morning = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=2)
    draws = np.random.default_rng(day.toordinal()).integers(0, 2, (USERS, 2))
    shown, done = [], []
    for user, (first, second) in enumerate(draws.tolist()):
        for number, (arm, advertised) in enumerate(((first, 0.0), (second, float(first == 0)))):
            at = morning + timedelta(hours=3 * number)
            shown.append(
                {
                    "impression_id": f"{day}-{user}-{number}",
                    "decision_id": f"{day}-{user}-{number}",
                    "user_id": f"user-{user}",
                    "occurred_at": at.isoformat(),
                    "slot": 1,
                    "arm_id": ARMS[arm],
                    "propensity": 0.5,
                    "advertised": advertised,
                    "offers": float(number),
                }
            )
        if (first, second) == (0, 1):
            done.append(
                {
                    "outcome_id": f"{day}-{user}",
                    "user_id": f"user-{user}",
                    "occurred_at": (at + timedelta(minutes=10)).isoformat(),
                    "kind": "purchase",
                    "value": 1.0,
                }
            )
    people = [{"user_id": f"user-{user}", "advertised": 0.0, "offers": 0.0} for user in range(USERS)]
    logs = {"impressions": shown, "outcomes": done, "users": people, "arms": [{"arm_id": a} for a in ARMS]}
    world.land_logs(home, PROGRAM, day, logs)


def run(home: Path, day: date, steps: tuple[str, ...] = ()) -> None:
    for step in steps or [task.name for task in plan(programs.find(PROGRAM))]:
        run_step(step, Night(programs.find(PROGRAM), day, home))


def rows(home: Path, table: str) -> pl.DataFrame:
    found = DeltaTable(home / "tables" / PROGRAM / table).to_pyarrow_table()
    return pl.from_arrow(found)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """After the night of the third day alone, which takes in the others, and trains the night of the first
    day: its models weigh the second day."""
    home = tmp_path_factory.mktemp("offers")
    (Path(os.environ["NIGHTSLATE_DAGS"]) / f"{PROGRAM}.yaml").write_text(SPEC)
    for day in DAYS:
        land(home, day)
    run(home, NIGHT)
    return home


def test_every_trajectory_is_in_the_partition_of_the_night_on_which_it_is_over(home: Path) -> None:
    found = rows(home, "transitions")
    assert found["ds"].value_counts().sort("ds").rows() == [(day, 2 * USERS) for day in DAYS]
    assert found.filter(pl.col("terminal"))["step"].unique().to_list() == [2]
    first = found.filter(pl.col("step") == 1)
    assert (first["next_advertised"] == (first["arm_id"] == "a").cast(pl.Float64)).all()
    assert found["reward"].sum() == len(rows(home, "credits")) > 100


def test_what_an_offer_leads_to_is_learnt_and_the_gate_believes_it(home: Path) -> None:
    night = Night(programs.find(PROGRAM), NIGHT, home).of_issue("all")
    models = rows(home, "models").filter(pl.col("learner") == "fitted_q").sort("ds")
    assert models["ds"].to_list() == [DAYS[0], NIGHT]
    digest = models["digest"][-1]
    policy = night.registry.load(digest).policy
    assert isinstance(policy, FittedQPolicy)
    states = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])  # nothing yet; after a
    np.testing.assert_array_equal(policy.weights(states), [[1.0, 0.0], [0.0, 1.0]])
    (look,) = rows(home, "promotions").to_dicts()
    assert (look["challenger"], look["decision"], look["cohorts"]) == ("fitted_q", "promoted", 1)
    values = rows(home, "evaluations").filter(
        (pl.col("policy") == "fitted_q") & pl.col("reference").is_null() & (pl.col("estimator") == "traj_dr")
    )
    trajectories = dict(values.select("estimand", "n").rows())
    assert trajectories == {"cross_fitted": 2 * USERS, "progressive": USERS}
    for value in values["value"]:
        assert value == pytest.approx(0.99**2, abs=0.02)  # but for the floor, always a and then b
    (promise,) = rows(home, "ledger").to_dicts()
    assert (promise["policy"], promise["replaced"], promise["days"]) == ("fitted_q", "uniform", 0)
    assert 0.5 < promise["promised_lower"] < promise["promised"] == pytest.approx(0.98, abs=0.1)
    assert (promise["came"], promise["kept"]) == (None, None)


def test_the_sweep_is_of_trajectories_that_were_not_fitted(home: Path) -> None:
    swept = rows(home, "sweeps").sort("epsilon")
    np.testing.assert_allclose(swept["epsilon"], np.linspace(0, 2 / 3, 10))
    np.testing.assert_allclose(swept["value"], (1 - swept["epsilon"].to_numpy()) ** 2, atol=0.08)


def test_the_night_tells_of_its_sequences(home: Path) -> None:
    page = (home / "reports" / PROGRAM / f"{NIGHT}.html").read_text()
    assert "Sequences" in page
    assert "nothing yet" in page
    night = Night(programs.find(PROGRAM), NIGHT, home).of_issue("all")
    kept = {file.path for file in night.mlflow.list_artifacts(night.run().id)}
    assert {"sequences.json", "plots"} <= kept
    curve = night.mlflow.get_metric_history(night.run().id, "fitted_q.change")
    assert [point.step for point in curve] == list(range(1, len(curve) + 1))
    assert curve[0].value == 1.0


def test_what_decides_is_held_against_offers_at_random_and_against_predictions_alone(
    home: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"{PROGRAM}.yaml"
    asked = SPEC.replace("resamples: 100", "resamples: 100, controls: [random, propensity_only]")
    path.write_text(asked.replace("first_champion: uniform", "first_champion: fitted_q"))
    run_step("controls", Night(programs.load(path), NIGHT, home))
    found = {row["policy"]: row for row in rows(home, "controls").to_dicts()}
    assert {name: (row["n"], row["first_day"]) for name, row in found.items()} == dict.fromkeys(
        ("champion", "random", "propensity_only"), (USERS, DAYS[1])
    )
    truths = {"champion": 0.99**2, "random": 0.25, "propensity_only": 1.0}
    for name, truth in truths.items():
        assert found[name]["value"] == pytest.approx(truth, abs=0.05)
    for name in ("random", "propensity_only"):
        expected = truths["champion"] - truths[name]
        assert found[name]["difference"] == pytest.approx(expected, abs=0.05)
        assert found[name]["unsupported_share"] == pytest.approx(0, abs=1e-9)
    assert found["random"]["difference_lower"] > 0.5
    assert found["random"]["ess"] == pytest.approx(USERS)  # as it was logged


def test_a_rerun_writes_the_same_rows(home: Path) -> None:
    pure = ("transitions", "models", "evaluations", "sweeps")
    before = {table: rows(home, table) for table in pure}
    run(home, NIGHT, ("transitions", "train", "evaluate"))
    for table, found in before.items():
        assert rows(home, table).sort(pl.all().hash(1)).equals(found.sort(pl.all().hash(1))), table

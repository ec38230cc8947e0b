"""Whole nights on Spark leave the tables that they leave on the processes of one machine, to the last bit."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from nightslate import programs
from nightslate.engines import Engine, LocalEngine
from nightslate.engines.spark import SparkEngine
from nightslate.pipeline.night import Night
from nightslate.tables import Warehouse
from tests.integration.nights import PAGES, run_night

from . import (
    letters,
    shipped_rollout,
    test_contacts,
    test_detectors,
    test_feature_states,
    test_features,
    test_issue_choice,
    test_sequences,
    world,
)

Land = Callable[[Path], object]

LONG = pytest.mark.e2e
"""What takes a quarter of a minute and more, of programs that the two others have most of."""


def each_day_of(program: ModuleType) -> Land:
    """Lands the logs of all days of a test module's program."""
    return lambda home: [program.land(home, number) for number in range(len(program.DAYS))]


def land_sequences(home: Path) -> None:
    for day in test_sequences.DAYS:
        test_sequences.land(home, day)


def land_letters(home: Path) -> None:
    for number in range(2):
        test_contacts.land(home, number, own_engine=True)


def land_sends(home: Path) -> None:
    for number in range(2):
        letters.land(home, number, by_rule=True)


def land_with_faults(home: Path) -> None:
    """The logs of `tiny`, and rows that break its contract."""
    world.land_all(home)
    for day in world.DAYS:
        bad = [{"outcome_id": f"{day}-bad", "user_id": "user-1", "kind": "click", "value": 1.0}]
        folder = home / "landing" / world.PROGRAM / "outcomes" / f"ds={day}"
        world.write_json_lines(folder / "part-1.jsonl", bad)


def tables(home: Path, program: str) -> dict[str, list[str]]:
    """Every row of every table in the order of its files."""
    names = sorted(path.name for path in (home / "tables" / program).iterdir())
    of_program, day = programs.find(program), date(2024, 1, 1)
    found = {name: Night(of_program, day, home).table(name) for name in names}
    assert all(Warehouse(home).table(program, table.contract).path == table.path for table in found.values())
    return {name: [repr(row) for row in table.rows().to_pylist()] for name, table in found.items()}


@pytest.mark.parametrize(
    ("named", "spec", "land", "days", "tolerant"),
    [
        pytest.param(
            world.PROGRAM, world.SPEC, land_with_faults, world.DAYS[-1:], True, id="impressions and faults"
        ),
        pytest.param(
            world.PROGRAM,
            world.SPEC.replace("propensity: marginal", "propensity: conditional")
            .replace("  window: 1d", "  window: 1d\n  costs: {a: 0.1, c: 0.7}")
            .replace("resamples: 100", "resamples: 100, controls: [random, propensity_only]")
            .replace("first_champion: uniform", "first_champion: linear_thompson")
            .replace(
                "learners:", "learners:\n  greedy: {kind: epsilon_greedy, estimator: ridge, epsilon: auto}"
            ),
            world.land_all,
            world.DAYS[-1:],
            False,
            id="decisions of two slots, of arms that cost",
        ),
        pytest.param(
            test_sequences.PROGRAM,
            test_sequences.SPEC.replace("fitted_q,", "fitted_q, choose: epsilon_greedy, epsilon: auto,"),
            land_sequences,
            (test_sequences.NIGHT,),
            False,
            marks=LONG,
            id="trajectories",
        ),
        pytest.param(
            test_detectors.PROGRAM,
            test_detectors.SPEC,
            each_day_of(test_detectors),
            test_detectors.DAYS[-1:],
            False,
            marks=LONG,
            id="learnt risks",
        ),
        pytest.param(
            test_issue_choice.PROGRAM,
            test_issue_choice.SPEC,
            each_day_of(test_issue_choice),
            test_issue_choice.DAYS[-1:],
            False,
            marks=LONG,
            id="one of three issues a user",
        ),
        pytest.param(
            test_features.PROGRAM,
            test_features.TEMPORAL,
            test_features.land_all,
            test_features.DAYS[-1:],
            False,
            marks=LONG,
            id="features",
        ),
        pytest.param(
            test_feature_states.PROGRAM,
            test_feature_states.SPEC.replace("{folds: 2,", "{folds: 2, window_days: 1,")
            + "training: {window_days: 1}\n",
            each_day_of(test_feature_states),
            test_feature_states.DAYS[-1:],
            False,
            marks=LONG,
            id="features of merged days",
        ),
        pytest.param(
            test_contacts.PROGRAM,
            test_contacts.SPEC,
            land_letters,
            test_contacts.DAYS[:2],
            False,
            marks=LONG,
            id="contact rules",
        ),
        pytest.param(
            letters.PROGRAM,
            f"{letters.SPEC}budgets: [{{name: letters, where: {{channel: email}}, most: 18}}]\n",
            land_sends,
            letters.DAYS[:2],
            False,
            marks=LONG,
            id="sends",
        ),
        pytest.param(
            shipped_rollout.PROGRAM,
            shipped_rollout.SPEC,
            shipped_rollout.land,
            shipped_rollout.DAYS,
            False,
            marks=LONG,
            id="shares that follow the context",
        ),
    ],
)
def test_both_engines_leave_equal_tables(
    tmp_path: Path,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    spec: str,
    land: Land,
    days: tuple[date, ...],
    tolerant: bool,
) -> None:
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    if tolerant:
        spec = spec.replace("logs:\n", "logs:\n  rejects: {max_share: 0.5}\n")
    (tmp_path / f"{named}.yaml").write_text(spec)
    engines: dict[str, Engine] = {"local": LocalEngine(processes=1), "spark": SparkEngine(spark)}
    for name, engine in engines.items():
        home = tmp_path / name
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        land(home)
        for day in days:
            run_night(Night(programs.find(named), day, home, engine), but=PAGES)
    on_local, on_spark = (tables(tmp_path / name, named) for name in engines)
    decided = {"scores", "assignments"} if programs.find(named).allocates else {"models", "slates"}
    assert {name for name, rows in on_local.items() if rows} >= decided
    assert bool(on_local["quarantine"]) == tolerant
    assert on_local == on_spark

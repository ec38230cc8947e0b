"""What stands beside an estimate is what it is about."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nightslate import programs
from nightslate.contracts import arrow
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs import Program
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.night_results import estimates_beside_truth, mean_over_cohorts

PROGRAM = programs.load(Path(__file__).parents[3] / "dags" / "onboarding_401k.yaml")
FIRST = PROGRAM.start_date
TWENTIETH = FIRST + timedelta(days=19)
TRUE = {FIRST + timedelta(days=day): {"uniform": 2.0, "linear_ucb": float(day)} for day in range(1, 20)}
"""By the day shown; no models are of before the first day."""


def night_of_windows(days: int, home: Path) -> IssueNight:
    issue = PROGRAM.only_issue
    evaluation = issue.evaluation.model_copy(update={"window_days": days})
    issues = {issue.name: issue.model_copy(update={"evaluation": evaluation})}
    program: Program = PROGRAM.model_copy(update={"issues": issues})
    return Night(program, TWENTIETH, home).of_issue(issue.name)


def test_the_truth_of_progressive_estimates_is_that_of_each_days_models_by_its_units(tmp_path: Path) -> None:
    """A window of a fortnight: of the 20th night's days those up to the sixth are whole."""
    units = {FIRST + timedelta(days=day): float(count) for day, count in enumerate([9, 1, 0, 2, 3, 4, 5])}
    found = mean_over_cohorts(night_of_windows(28, tmp_path), TRUE, units)
    assert found["linear_ucb"] == (1 * 1 + 2 * 3 + 3 * 4 + 4 * 5) / 10
    assert found["uniform"] == 2.0


def test_days_of_before_the_window_do_not_count(tmp_path: Path) -> None:
    found = mean_over_cohorts(night_of_windows(16, tmp_path), TRUE, dict.fromkeys(TRUE, 7.0))
    assert found["linear_ucb"] == (4 + 5) / 2


@pytest.mark.parametrize("days", [10, 28])
def test_without_a_cohort_there_is_no_truth(days: int, tmp_path: Path) -> None:
    units = {} if days == 28 else dict.fromkeys(TRUE, 7.0)
    assert mean_over_cohorts(night_of_windows(days, tmp_path), TRUE, units) == {}


def test_each_estimate_stands_beside_its_own_truth_and_what_was_realised_beside_tonights(
    tmp_path: Path,
) -> None:
    night = night_of_windows(28, tmp_path)
    rows = [
        {
            "issue": "all",
            "policy": policy,
            "reference": reference,
            "estimator": estimator,
            "estimand": estimand,
            "value": 0.2,
            "lower": 0.1,
            "upper": 0.3,
            "confidence": 0.95,
            "interval_method": "bootstrap",
            "n": 9,
            "clusters": 9,
        }
        for estimand in (PROGRESSIVE, CROSS_FITTED)
        for policy, reference, estimator in (
            ("linear_ucb", None, "dr"),
            ("uniform", None, "dr"),
            ("logged", None, "dr"),
            ("uniform", None, "snips"),
            ("uniform", "linear_ucb", "dr"),
        )
    ]
    look = {
        "issue": "all", "challenger": "linear_ucb", "champion_before": "uniform", "champion_after": "uniform",
        "look": 1, "alpha": 0.05, "estimator": "dr", "decision": "kept", "reasons": [],
    }  # fmt: skip
    for name, written in (("evaluations", rows), ("promotions", [look])):
        table = night.table(name)
        schema = arrow.schema(table.contract, partition=False)
        table.replace(night.ds, pa.Table.from_pylist(written, schema=schema), {})
    recorded = estimates_beside_truth(
        night, {PROGRESSIVE: {"uniform": 0.15}, CROSS_FITTED: {"uniform": 0.25}}, 0.22
    )
    assert [(row["estimand"], row["policy"], row["truth"], row["realised"]) for row in recorded] == [
        (PROGRESSIVE, "linear_ucb", None, None),
        (PROGRESSIVE, "uniform", 0.15, None),
        (CROSS_FITTED, "linear_ucb", None, None),
        (CROSS_FITTED, "uniform", 0.25, 0.22),
    ]

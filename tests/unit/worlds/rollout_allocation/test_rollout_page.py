"""The page of a simulated rollout, and what its figures say."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nightslate import programs
from nightslate.errors import SpecError
from nightslate.programs import Program
from nightslate.worlds.rollout_allocation.estimates import counted_by
from nightslate.worlds.rollout_allocation.page import headline, page
from nightslate.worlds.rollout_allocation.results import RolloutResults
from nightslate.worlds.rollout_allocation.simulation import allocation_of, worths

FIRST, NIGHTS = date(2026, 3, 2), 10
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS)]
DAGS = Path(__file__).parents[4] / "dags"


def estimate(ds: str, **changed: object) -> dict[str, Any]:
    return {
        "ds": ds,
        "metric": "purchases",
        "method": "cuped",
        "segment": None,
        "segment_value": None,
        "n": 500,
        "effect": 0.05,
        "stderr": 0.02,
        "lower": 0.01,
        "upper": 0.09,
        "anytime_lower": -0.01,
        "anytime_upper": 0.11,
        "truth": 0.04,
        **changed,
    }


def results() -> RolloutResults:
    estimates = [row for ds in DAYS for row in (estimate(ds), estimate(ds, metric="trouble", truth=0.03))]
    estimates += [estimate(ds, method="naive", effect=0.1, lower=0.06, upper=0.14) for ds in DAYS]
    estimates += [estimate(ds, method="policy", effect=0.012, truth=0.011) for ds in DAYS]
    beside = {"here": 30.0, "fixed": 80.0, "share": 0.375}
    return RolloutResults(
        program="rollout_allocation",
        description="A <new> checkout.",
        seed=1,
        users=3000,
        first_day=FIRST,
        nights=NIGHTS,
        confidence=0.95,
        decided_by="purchases",
        margins={"trouble": 0.05},
        harm={"at_risk": beside, "all": beside},
        help=beside,
        days=[
            {
                "day": day,
                "present": 100,
                "assigned": 90,
                "at_risk": 0.2,
                "treated_at_risk": 0.1 if number else None,
                "treated_others": 0.6 if number else None,
            }
            for number, day in enumerate(DAYS)
        ],
        reactions=[
            {
                "region": "south",
                "severity": 2.0,
                "begins": DAYS[4],
                "ends": DAYS[7],
                "announced": DAYS[4],
                "before": 0.5,
                "least": 0.0,
                "reacted_after": 0,
            }
        ],
        estimates=estimates,
        decisions=[{"ds": ds, "decision": "go on", "variant": None, "reasons": ["why"]} for ds in DAYS],
        precision=[
            {
                "metric": "purchases",
                "method": "cuped",
                "stderr": 0.02,
                "fixed": "cuped",
                "fixed_stderr": 0.018,
                "share": 0.81,
            }
        ],
        seconds={"ingest": 12.0},
    )


def test_the_headline_says_whom_it_spared_and_what_that_cost() -> None:
    assert headline(results()) == (
        "Users at risk were harmed 38 % as much as in a test with fixed shares, and the effect on purchases"
        " is known with 81 % of its information, where the naive difference is off by 3.0 standard errors"
    )
    assert "too few" in headline(replace(results(), precision=[]))


def test_the_page_stands_alone_with_its_charts_and_escapes() -> None:
    html = page(results())
    assert "A &lt;new&gt; checkout." in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert html.count("<svg") == 3
    assert "south, 2" in html
    assert "at the next update" in html
    assert html.count("in truth +0.0110") == 1
    assert "None" not in html


def test_a_page_of_the_first_nights_says_what_is_not_known_yet() -> None:
    early = replace(
        results(),
        estimates=[],
        precision=[],
        reactions=[],
        harm={of: {"here": 0.0, "fixed": 0.0, "share": None} for of in ("at_risk", "all")},
        days=[{**row, "treated_at_risk": None, "treated_others": None} for row in results().days],
    )
    html = page(early)
    assert "<svg" not in html
    assert "None" not in html
    assert early.leading is None
    assert early.verdict["right"] is None


def test_figures_are_json_and_count_what_held_the_truth() -> None:
    figures = json.loads(json.dumps(results().as_json()))
    assert figures["harm_at_risk"] == 0.375
    assert figures["information"] == 0.81
    assert figures["naive_bias"] == {"purchases": pytest.approx(3.0), "trouble": None}
    held = {row["method"]: row for row in figures["coverage"]}
    assert held["cuped"] == {
        "method": "cuped",
        "overall": True,
        "held": 20,
        "judged": 20,
        "held_anytime": 20,
        "judged_anytime": 20,
    }
    assert (held["naive"]["held"], held["naive"]["judged"], held["naive"]["held_anytime"]) == (0, 10, 10)


@pytest.mark.parametrize(
    ("decision", "truth", "trouble", "right"),
    [
        ("ship", 0.04, 0.03, True),
        ("ship", -0.01, 0.03, False),
        ("ship", 0.04, 0.06, False),
        ("stop", 0.04, 0.03, False),
        ("stop", 0.04, 0.06, True),
        ("stop", -0.01, 0.03, True),
        ("go on", -0.01, 0.06, True),
        ("not healthy", 0.04, 0.03, False),
    ],
)
def test_the_first_decision_that_ends_the_experiment_is_judged(
    decision: str, truth: float, trouble: float, right: bool
) -> None:
    found = results()
    decisions = [dict(row) for row in found.decisions]
    decisions[6]["decision"] = decision
    at = DAYS[6] if decision in ("ship", "stop") else DAYS[9]
    decisions[9]["decision"] = decision if at == DAYS[9] else "go on"
    estimates = [estimate(at, truth=truth), estimate(at, metric="trouble", truth=trouble)]
    verdict = replace(found, decisions=decisions, estimates=estimates).verdict
    assert (verdict["decision"], verdict["ds"], verdict["right"]) == (decision, at, right)


def program(**experiment: object) -> Program:
    found = programs.load(DAGS / "rollout_allocation.yaml")
    issue = found.only_issue
    changed = {"experiment": issue.experiment.model_copy(update=experiment)}
    return found.model_copy(update={"issues": {issue.name: issue.model_copy(update=changed)}})


def test_the_worths_are_those_of_the_program_s_score() -> None:
    shipped = program()
    counted = counted_by(shipped.only_issue)
    days = {name: each.window / 86_400.0 for name, each in counted.items()}
    assert days == {"purchases": 7.0, "trouble": 7.0, "purchases_soon": 4.0, "trouble_soon": 4.0}
    assert worths(allocation_of(shipped).score, counted) == {"purchase": 1.0, "trouble": -0.9}


def test_programs_whose_truth_is_not_known_are_refused() -> None:
    with pytest.raises(SpecError, match=r"shares that experiment\.allocation moves"):
        allocation_of(program(allocation=None))
    metric = program().only_issue.experiment.metrics["trouble"].model_copy(update={"where": {"kind": "call"}})
    with pytest.raises(SpecError, match=r"experiment\.metrics\.trouble"):
        counted_by(program(metrics={"trouble": metric}).only_issue)

"""The page of a simulation of assistance, and its figures."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from nightslate.worlds.proactive_assistance.page import AssistanceResults, page
from nightslate.worlds.results_page import headline

FIRST, NIGHTS = date(2026, 1, 12), 10
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS)]
ISSUES = ("pricing", "support")
VALUES = {"personalised": 0.80, "randomised": 0.76, "chance": 0.77, "rule": 0.78, "best": 0.82}


def uplift(issue: str) -> list[dict[str, object]]:
    of = {
        "issue": issue,
        "learner": "linear_thompson",
        "ds": DAYS[-1],
        "first_day": DAYS[0],
        "last_day": DAYS[2],
    }
    figures = [("mean", 1.0, 0.1, None), ("autoc", 1.0, 0.05, None), ("qini", 1.0, 0.02, None)]
    figures += [("decile", tenth / 10, 0.3 - 0.03 * tenth, None) for tenth in range(1, 11)]
    figures += [("cost_curve", part / 4, 0.05 * part, 0.02 * part) for part in range(1, 5)]
    return [
        {
            **of,
            "figure": name,
            "at": at,
            "value": value,
            "lower": value - 0.04,
            "upper": value + 0.04,
            "spent": spent,
        }
        for name, at, value, spent in figures
    ]


def results() -> AssistanceResults:
    return AssistanceResults(
        program="proactive_assistance",
        description="Help <before> users cancel.",
        reward="net reward",
        seed=1,
        users=8000,
        first_day=FIRST,
        nights=NIGHTS,
        estimator="dr",
        confidence=0.95,
        read_over=7,
        lift={"value": 0.06, "lower": 0.01, "upper": 0.13, "confidence": 0.95},
        reached=0.6,
        looks=[
            {
                "ds": day,
                "issue": issue,
                "challenger": "linear_thompson",
                "champion": "uniform",
                "decision": "promoted" if number == 4 else "kept",
                "difference": 0.2,
                "lower": 0.01,
                "truth": 0.15 if number else None,
            }
            for number, day in enumerate(DAYS)
            for issue in ISSUES
        ],
        estimates=[
            {
                "ds": day,
                "issue": issue,
                "estimand": "cross_fitted",
                "policy": "uniform",
                "value": 0.5,
                "lower": 0.4,
                "upper": 0.6,
                "truth": 0.55 if issue == "pricing" else 0.7,
                "realised": 0.5,
            }
            for day in DAYS
            for issue in ISSUES
        ],
        seconds={"ingest": 12.0},
        horizon=7,
        days=[{"day": day, **VALUES} for day in DAYS],
        retention=[
            {"day": day, **dict.fromkeys(VALUES, 1 - 0.01 * number)} for number, day in enumerate(DAYS)
        ],
        groups=[{"group": name, "value": VALUES[name], "helps": 0.5, "discounts": 0.1} for name in VALUES],
        served=False,
        budgets=[
            {"ds": day, "issue": "pricing", "budget": "discounts", "most": 16.0, "expected": 9.5, "drawn": 10}
            for day in DAYS
        ],
        uplift=[row for issue in ISSUES for row in uplift(issue)],
    )


def test_the_headline_is_about_users() -> None:
    assert headline(results()) == (
        "Personalised users earned 6 % more than randomised ones in the last 7 days (95 % interval +1 % to"
        " +13 %): 60 % of the lift that was possible"
    )


def test_promotions_and_intervals_are_told_apart_by_issue() -> None:
    found = results()
    assert found.champion_since == {7: "pricing: linear_thompson, support: linear_thompson"}
    assert found.covered("truth", "cross_fitted", "uniform", "pricing") == (NIGHTS, NIGHTS)
    assert found.covered("truth", "cross_fitted", "uniform", "support") == (0, NIGHTS)
    assert found.wrongly_promoted == []
    html = page(found)
    assert "pricing: uniform" in html
    assert "<th>issue</th>" in html
    assert html.count("<h3>") == 2 * len(ISSUES)


def test_the_page_stands_alone_with_its_charts_and_escapes() -> None:
    html = page(results())
    assert "Help &lt;before&gt; users cancel." in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert html.count("<svg") == 3 + 2 * len(ISSUES) + len(ISSUES)
    assert "What the slates of each night use, as drawn" in html
    assert "10 of 10 were kept" in html


def test_what_is_not_there_yet_is_said() -> None:
    html = page(replace(results(), budgets=[], uplift=[], lift=None))
    assert "no budget of exposures" in html
    assert "could rank" in html


def test_a_budget_that_is_exceeded_is_counted() -> None:
    found = results()
    over = [{**row, "drawn": 17} if row["ds"] == DAYS[3] else row for row in found.budgets]
    assert replace(found, budgets=over).kept == NIGHTS - 1


def test_the_figures_are_json() -> None:
    figures = json.loads(json.dumps(results().as_json()))
    assert figures["promotions"] == 2
    assert figures["days"][0]["best"] == pytest.approx(0.82)

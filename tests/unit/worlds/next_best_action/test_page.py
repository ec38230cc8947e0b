"""The page of simulated campaigns says what the figures say."""

import json
from dataclasses import replace
from datetime import date, timedelta

from nightslate.worlds.next_best_action.page import CampaignResults, page
from nightslate.worlds.results_page import headline

FIRST = date(2026, 1, 1)
NIGHTS = 12
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS)]


def results() -> CampaignResults:
    """Twelve nights, eight cohorts whose campaign is over; the gate promotes on the sixth night."""
    return CampaignResults(
        program="next_best_action",
        description="The next offer.",
        reward="purchases",
        seed=1,
        users=500,
        first_day=FIRST,
        nights=NIGHTS,
        estimator="traj_dr",
        confidence=0.95,
        read_over=7,
        lift={"value": 0.8, "lower": 0.6, "upper": 1.0, "confidence": 0.95},
        reached=0.5,
        looks=[
            {
                "ds": day,
                "issue": "all",
                "challenger": "fitted_q",
                "champion": "uniform" if number < 6 else "fitted_q",
                "decision": "promoted" if number == 5 else "kept",
                "difference": 6.8,
                "lower": 5.1,
                "truth": 7.1,
            }
            for number, day in enumerate(DAYS)
        ],
        estimates=[
            {
                "ds": day,
                "issue": "all",
                "estimand": "cross_fitted",
                "policy": "uniform",
                "value": 4.5,
                "lower": 4.2,
                "upper": 4.9,
                "truth": 4.67,
                "realised": 4.5 if number < 7 else None,
            }
            for number, day in enumerate(DAYS)
        ],
        seconds={"ingest": 120.0, "train": 36.0},
        cohorts=[
            {"day": day, "personalised": 4.5 if number < 7 else 11.5, "randomised": 4.7, "best": 12.0}
            for number, day in enumerate(DAYS[:8])
        ],
        optimum=12.0,
        uniform=4.667,
        sweep=[
            {
                "epsilon": epsilon,
                "learner": learner,
                "estimator": estimator,
                "value": 12 - 11 * epsilon,
                "lower": 11 - 10 * epsilon,
                "upper": 13 - 12 * epsilon,
                "truth": 11.9 - 11 * epsilon,
            }
            for learner in ("fitted_q", "other")
            for estimator in ("pdis", "traj_dr")
            for epsilon in (0.0, 0.3, 2 / 3)
        ],
        swept=DAYS[-1],
    )


def test_the_headline_is_about_customers_and_cohorts() -> None:
    assert headline(results()) == (
        "Personalised customers bought 80 % more than randomised ones in the last 7 cohorts (95 % interval"
        " +60 % to +100 %): 50 % of the lift that was possible"
    )
    nothing = replace(results(), lift=None, read_over=0)
    assert headline(nothing) == (
        "Neither personalised customers bought anything to compare in 0 cohorts, nor randomised ones"
    )


def test_the_page_stands_alone_with_its_charts_and_what_is_exact() -> None:
    html = page(replace(results(), description="<script>alert(1)</script>"))
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert html.count("<svg") == 3
    assert "the optimum of 12" in html
    assert "participants" not in html
    assert f"on the night of {DAYS[-1]}" in html
    assert "✓ better" in html


def test_campaigns_that_have_nothing_to_show_still_are_a_page() -> None:
    empty = replace(
        results(), lift=None, reached=None, cohorts=[], looks=[], estimates=[], sweep=[], swept=None
    )
    html = page(empty)
    assert "<svg" not in html
    assert "No cohort" in html
    assert "No night had histories enough" in html


def test_a_champion_that_no_cohort_has_met_is_not_in_the_chart_of_cohorts() -> None:
    late = replace(results(), looks=[{**results().looks[0], "ds": DAYS[9], "decision": "promoted"}])
    assert late.champion_since == {12: "fitted_q"}
    assert results().champion_since == {8: "fitted_q"}
    assert "fitted q" in page(results())
    assert "fitted q" not in page(late)


def test_the_figures_are_json() -> None:
    figures = json.loads(json.dumps(results().as_json(), allow_nan=False))
    assert (figures["promotions"], figures["wrong_promotions"]) == (1, 0)
    assert figures["covered_truth"] == {"progressive": [0, 0], "cross_fitted": [NIGHTS, NIGHTS]}
    assert len(figures["cohorts"]) == 8

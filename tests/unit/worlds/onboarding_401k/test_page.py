"""The page of a simulated homepage says what the figures say, and nothing else."""

import json
from dataclasses import replace
from datetime import date, timedelta

from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.onboarding_401k.page import HomepageResults, page
from nightslate.worlds.results_page import headline

FIRST = date(2026, 1, 1)
NIGHTS = 12


def results() -> HomepageResults:
    """Twelve nights; the gate promotes on the third. The cross-fitted estimates of two nights miss the truth,
    of the progressive ones, whose truth is known from the fifth on, those of one."""
    nights = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS)]
    return HomepageResults(
        program="onboarding_401k",
        description="Homepage messages for new participants.",
        reward="reward per tile",
        seed=1,
        users=2000,
        first_day=FIRST,
        nights=NIGHTS,
        estimator="dr",
        confidence=0.95,
        read_over=7,
        lift={"value": 0.62, "lower": 0.41, "upper": 0.86, "confidence": 0.95},
        reached=0.87,
        days=[
            {
                "day": day,
                "personalised": 0.058 + 0.003 * number if number else None,
                "randomised": 0.058 + 0.001 * (number % 3) if number else None,
                "best": 0.1 - 0.0005 * number if number else None,
            }
            for number, day in enumerate(nights)
        ],
        topics=[
            {"topic": topic, "beyond": beyond, "personalised": p, "randomised": 0.25, "best": b}
            for topic, beyond, p, b in (
                ("investing", False, 0.5, 0.55),
                ("rollover", False, 0.2, 0.25),
                ("beneficiary", False, 0.1, 0.1),
                ("student_debt", True, 0.2, 0.1),
            )
        ],
        beyond=[{"day": day, "share": 0.3 - 0.008 * number} for number, day in enumerate(nights)],
        goal=0.2,
        looks=[
            {
                "ds": day,
                "issue": "all",
                "challenger": "linear_thompson",
                "champion": "uniform",
                "decision": "promoted" if number == 2 else "kept",
                "difference": 0.012,
                "lower": 0.004,
                "truth": 0.01,
            }
            for number, day in enumerate(nights)
        ],
        estimates=[
            {
                "ds": day,
                "issue": "all",
                "estimand": estimand,
                "policy": policy,
                "value": value + 0.0004 * (number % 3) if number else None,
                "lower": value - 0.002 if number else None,
                "upper": value + 0.003 if number else None,
                "truth": value + (0.01 if number in missed else 0.0) if number >= first else None,
                "realised": value - 0.001 if policy == served and estimand == CROSS_FITTED else None,
            }
            for estimand, first, missed in ((PROGRESSIVE, 4, (7,)), (CROSS_FITTED, 0, (3, 7)))
            for number, day in enumerate(nights)
            for served in ("uniform" if number < 3 else "linear_thompson",)
            for policy, value in (("uniform", 0.023), ("linear_thompson", 0.035))
        ],
        seconds={"ingest": 120.0, "train": 36.0},
    )


def test_the_headline_says_what_was_earned_how_sure_that_is_and_what_was_possible() -> None:
    assert headline(results()) == (
        "Personalised pages earned 62 % more than randomised ones in the last 7 days (95 % interval +41 % to"
        " +86 %): 87 % of the lift that was possible"
    )


def test_a_loss_is_called_a_loss_and_nothing_is_made_of_nothing() -> None:
    lost = replace(results(), lift={"value": -0.1, "lower": -0.3, "upper": 0.2, "confidence": 0.95})
    assert "earned 10 % less" in headline(lost)
    assert "(95 % interval \N{MINUS SIGN}30 % to +20 %)" in headline(lost)
    assert headline(replace(results(), lift=None)).startswith("Neither")


def test_intervals_are_counted_where_there_is_one_and_a_truth() -> None:
    these = results()
    assert these.covered("truth", CROSS_FITTED) == (2 * NIGHTS - 2 - 4, 2 * NIGHTS - 2)
    assert these.covered("truth", CROSS_FITTED, "uniform") == (NIGHTS - 1 - 2, NIGHTS - 1)
    assert these.covered("truth", PROGRESSIVE) == (2 * 8 - 2, 2 * 8)
    assert these.covered("realised", CROSS_FITTED) == (NIGHTS - 1, NIGHTS - 1)
    assert these.covered("realised", PROGRESSIVE) == (0, 0)


def test_the_page_leads_with_policies_of_before_each_day_as_soon_as_there_are_any() -> None:
    these = results()
    assert these.leading_estimand == PROGRESSIVE
    assert "<dd>14 of 16</dd>" in page(these)
    early = replace(these, estimates=[row for row in these.estimates if row["estimand"] == CROSS_FITTED])
    assert early.leading_estimand == CROSS_FITTED
    assert "<dd>18 of 22</dd>" in page(early)


def test_a_promotion_of_a_policy_that_is_worse_in_truth_is_counted_and_shown() -> None:
    these = results()
    assert len(these.promoted) == 1
    assert these.wrongly_promoted == []
    assert "✓ better" in page(these)
    worse = replace(these, looks=[{**look, "truth": -0.001} for look in these.looks])
    assert [look["ds"] for look in worse.wrongly_promoted] == ["2026-01-03"]
    assert "! worse" in page(worse)


def test_the_page_stands_alone_and_escapes() -> None:
    html = page(replace(results(), description="<script>alert(1)</script>"))
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert html.count("<svg") == 4


def test_a_simulation_that_has_nothing_to_show_still_is_a_page() -> None:
    empty = replace(
        results(),
        lift=None,
        reached=None,
        days=[],
        topics=[],
        beyond=[],
        looks=[],
        estimates=[],
        goal=None,
    )
    html = page(empty)
    assert "<svg" not in html
    assert "The gate promoted nothing" in html


def test_the_figures_are_json() -> None:
    figures = json.loads(json.dumps(results().as_json(), allow_nan=False))
    assert figures["promotions"] == 1
    assert figures["wrong_promotions"] == 0
    assert figures["covered_truth"] == {PROGRESSIVE: [14, 16], CROSS_FITTED: [18, 22]}
    assert figures["covered_realised"] == [11, 11]

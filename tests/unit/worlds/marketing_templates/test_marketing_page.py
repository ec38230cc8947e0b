"""The page of a simulation of marketing, and its figures."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from nightslate.worlds.marketing_templates.daily_records import AS_RULE, BEST, GROUPS, DailyRecords
from nightslate.worlds.marketing_templates.page import MarketingResults, page
from nightslate.worlds.marketing_templates.population import Population
from nightslate.worlds.marketing_templates.rec_engine import FullKnowledge, MarketingRule
from nightslate.worlds.marketing_templates.world import BOUNCES, World
from nightslate.worlds.results import PERSONALISED
from nightslate.worlds.results_page import headline

FIRST, NIGHTS = date(2026, 1, 12), 10
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(NIGHTS)]
VALUES = {"purchased": 1.0, "clicked": 0.02, "unsubscribed": -1.5}
WORTH = {"personalised": 0.05, "rule": 0.02, "randomised": 0.015, "as_rule": 0.021, "best": 0.055}


def results() -> MarketingResults:
    return MarketingResults(
        program="marketing_templates",
        description="The best <template> for each customer.",
        reward="reward per message",
        seed=1,
        users=5000,
        first_day=FIRST,
        nights=NIGHTS,
        estimator="dr",
        confidence=0.95,
        read_over=7,
        lift={"value": 1.5, "lower": 1.1, "upper": 1.9, "confidence": 0.95},
        reached=0.87,
        looks=[
            {
                "ds": day,
                "issue": "all",
                "challenger": "hybrid",
                "champion": "shared",
                "decision": "kept",
                "difference": 0.001,
                "lower": -0.01,
                "truth": -0.001,
            }
            for day in DAYS
        ],
        estimates=[
            {
                "ds": day,
                "issue": "all",
                "estimand": "progressive",
                "policy": "shared",
                "value": 0.05,
                "lower": 0.04,
                "upper": 0.06,
                "truth": 0.055,
                "realised": None,
            }
            for day in DAYS
        ],
        seconds={"ingest": 12.0},
        days=[{"day": day, **WORTH} for day in DAYS],
        unsubscribed=[
            {"day": day, **dict.fromkeys(WORTH, 0.001 * number)} for number, day in enumerate(DAYS)
        ],
        groups=[
            {
                "group": name,
                "value": WORTH[name],
                "sent": 3.9,
                "unsubscribed": 0.004,
                "fresh": 0.12,
                "left": 0.02,
            }
            for name in GROUPS
        ],
    )


def test_the_headline_is_about_the_gain_over_the_rule() -> None:
    assert headline(results()) == (
        "Personalised customers earned 150 % more than those of marketing's rule in the last 7 days (95 %"
        " interval +110 % to +190 %): 87 % of the gain over the rule that was possible"
    )


def test_the_page_stands_alone_with_its_charts_and_escapes() -> None:
    html = page(results())
    assert "The best &lt;template&gt; for each customer." in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert html.count("<svg") == 2
    assert "by the rule, its own customers" in html
    assert html.count("0.400 %") == len(GROUPS)
    assert "10 of 10" in html


def test_figures_that_are_not_there_are_said_to_be_missing() -> None:
    html = page(
        replace(
            results(), groups=[dict.fromkeys(row, None) | {"group": row["group"]} for row in results().groups]
        )
    )
    assert "None" not in html


def test_the_figures_are_json() -> None:
    figures = json.loads(json.dumps(results().as_json()))
    assert figures["wrong_promotions"] == 0
    assert figures["days"][0]["best"] == pytest.approx(0.055)


def test_what_customers_are_worth_is_counted_by_hand() -> None:
    world, records = World(2000, 3), DailyRecords(VALUES)
    rule, best = (
        Population(world, 4, MarketingRule(world)),
        Population(world, 4, FullKnowledge(world, VALUES)),
    )
    mine = np.arange(2000) % 3 > 0
    expected, drawn, left = [], [], 0
    for number in range(9):
        day = rule.play(number)
        worth = day.chances.worth(VALUES)[np.arange(len(day.decisions.arm)), day.decisions.arm]
        expected.append((1 - BOUNCES) * worth[mine[day.decisions.place]].sum() / mine.sum())
        gone = day.happened["unsubscribed"] & mine[day.decisions.place]
        left += int(gone.sum())
        drawn.append(gone.sum())
        for group in GROUPS:
            if group != BEST:
                records.add_day(group, day, mine, rule.subscribed)
        records.add_day(BEST, best.play(number), mine, best.subscribed)
    by_day = records.by_day()
    assert [row[PERSONALISED] for row in by_day] == pytest.approx(expected)
    groups = {row["group"]: row for row in records.groups()}
    assert groups[AS_RULE]["value"] == pytest.approx(np.mean(expected[-7:]))
    assert groups[AS_RULE]["left"] == pytest.approx(left / mine.sum())
    assert groups[AS_RULE]["unsubscribed"] == pytest.approx(sum(drawn[-7:]) / mine.sum())
    assert groups[BEST]["value"] > groups[AS_RULE]["value"]
    assert records.reached() == 0.0
    found = records.lift(0.95)
    assert found is not None
    assert found["value"] == pytest.approx(0.0)

"""The page of simulated marketing: what customers were worth, who had enough, and what nights estimated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nightslate.reports.document import figure
from nightslate.reports.numbers import percent
from nightslate.reports.plots import AMBER, BLUE, GREEN, PURPLE
from nightslate.worlds.charts import by_group, in_percent
from nightslate.worlds.results import Results, Row
from nightslate.worlds.results_page import render

_TEMPLATE = Path(__file__).with_name("page.html.j2")
NAMES = {
    "personalised": "personalised",
    "randomised": "randomised",
    "as_rule": "by marketing's rule",
    "best": "full knowledge",
}
COLOURS = {"personalised": BLUE, "randomised": AMBER, "as_rule": PURPLE, "best": GREEN}

_by_group = partial(by_group, names=NAMES, colours=COLOURS, zero=True)


@dataclass(frozen=True)
class MarketingResults(Results):
    """All figures of marketing and its nights.

    days: day, and by group the expected reward of a customer on it. Groups are the variants personalised,
    rule and randomised, and of the personalised customers as_rule (what they would be worth under marketing's
    rule from the first day on) and best (with full knowledge).
    unsubscribed: day, and by group which share of customers has unsubscribed so far.
    groups: group, value, sent, unsubscribed, fresh, left: over the last days, see DailyRecords.groups.
    """

    days: list[Row]
    unsubscribed: list[Row]
    groups: list[Row]

    earning = "customers earned"
    span = "days"
    control = "those of marketing's rule"
    possible = "the gain over the rule that was possible"


def page(results: MarketingResults) -> str:
    """The results as one HTML document."""
    left = results.unsubscribed[-1]
    return render(
        _TEMPLATE,
        results,
        values_chart=figure(
            _by_group(results.days, "expected reward of a customer a day", results.champion_since),
            "Expected reward of a customer by day: personalised, randomised, by marketing's rule, and with"
            " full knowledge.",
        ),
        unsubscribed_chart=figure(
            _by_group([in_percent(row) for row in results.unsubscribed], "unsubscribed so far (%)", {}),
            "Share of customers who have unsubscribed, by day: "
            + ", ".join(f"{name} {percent(left[group])}" for group, name in NAMES.items()),
        ),
    )

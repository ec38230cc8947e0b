"""The page of a simulated campaign: what customers bought, and what the nights thought that they would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nightslate.reports.document import figure
from nightslate.reports.sequence_plots import value_by_epsilon
from nightslate.worlds.charts import mean_rewards
from nightslate.worlds.results import Results, Row
from nightslate.worlds.results_page import render

_TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class CampaignResults(Results):
    """All figures of campaigns and their nights. A value is that of a customer: purchases from the first
    offer on.

    cohorts: day (on which its campaign began), personalised, randomised (mean value by variant; None where
    nobody was in it), best (the optimum): of all cohorts whose campaign is over.
    optimum, uniform: the exact values of the best policy and of random offers.
    sweep: epsilon, learner, estimator, value, lower, upper, truth: what the last night's Q is worth if it is
    played epsilon-greedily. swept: the last night that has one, or None.
    """

    cohorts: list[Row]
    optimum: float
    uniform: float
    sweep: list[Row]
    swept: str | None

    earning = "customers bought"
    span = "cohorts"


def page(results: CampaignResults) -> str:
    """The results as one HTML document."""
    champion_since = {
        number: name for number, name in results.champion_since.items() if number <= len(results.cohorts)
    }
    return render(
        _TEMPLATE,
        results,
        cohorts_chart=figure(
            mean_rewards(results.cohorts, champion_since, "purchases of a customer", "cohort"),
            "Expected purchases of a customer by cohort: personalised, randomised, and by the best policy.",
        ),
        sweep_chart=figure(
            value_by_epsilon(
                _judged(results),
                {row["epsilon"]: row["truth"] for row in results.sweep},
                reward=results.reward,
            ),
            "Estimated value by epsilon with its interval, beside the true value.",
        ),
    )


def _judged(results: CampaignResults) -> list[Row]:
    """Of the sweep, what the estimator says that the gate believes, of the learner that is named first."""
    rows = [row for row in results.sweep if row["estimator"] == results.estimator]
    return [row for row in rows if row["learner"] == rows[0]["learner"]]

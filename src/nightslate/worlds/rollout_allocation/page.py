"""The page of a simulated rollout: whom it harmed, what it cost to know the effect, and whether the nights
were right."""

from __future__ import annotations

from pathlib import Path

from nightslate.reports.document import figure
from nightslate.reports.numbers import MISSING
from nightslate.worlds.results_page import page_template, whole_percent
from nightslate.worlds.rollout_allocation.charts import effects, shares
from nightslate.worlds.rollout_allocation.results import RolloutResults

_TEMPLATE = Path(__file__).with_name("page.html.j2")


def headline(results: RolloutResults) -> str:
    """One sentence: what shares that followed the context saved users at risk, and what it cost to know."""
    harm, information = (whole_percent(each) for each in (results.harm_at_risk, results.information))
    if MISSING in (harm, information):
        return f"{results.nights} nights are too few to know what users at risk were spared"
    bias = results.naive_bias(results.decided_by)
    naive = "" if bias is None else f", where the naive difference is off by {abs(bias):.1f} standard errors"
    return (
        f"Users at risk were harmed {harm} as much as in a test with fixed shares, and the effect on"
        f" {results.decided_by} is known with {information} of its information{naive}"
    )


def page(results: RolloutResults) -> str:
    """The results as one HTML document."""
    metrics = [results.decided_by, *results.margins]
    return page_template(_TEMPLATE).render(
        results=results,
        headline=headline(results),
        verdict=results.verdict,
        metrics=metrics,
        biases={metric: results.naive_bias(metric) for metric in metrics},
        shares_chart=figure(
            shares(results.days, results.reactions, results.first_day),
            "Share of users who are treated, by day: those at risk and the others, with incidents.",
        ),
        effect_charts=[
            (
                metric,
                figure(
                    effects(results.overall(metric, results.leading), metric),
                    f"Each night's effect on {metric} with its intervals, beside the true one.",
                ),
            )
            for metric in metrics
        ],
    )

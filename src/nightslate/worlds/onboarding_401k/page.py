"""The page of a simulated homepage: what its pages earned, what they showed, and what nights estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt

from nightslate.reports.document import figure
from nightslate.reports.numbers import finite, percent
from nightslate.reports.plots import BLUE, INK, ROW, inline, layered
from nightslate.worlds.charts import COLOURS, HEIGHT, NAMES, colour_by_kind, mean_rewards, numbered, words
from nightslate.worlds.results import Results, Row
from nightslate.worlds.results_page import render

_TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class HomepageResults(Results):
    """All figures of a homepage and its nights.

    days: day, personalised, randomised, best (mean reward of a page; best: with full knowledge).
    topics: topic, beyond, personalised, randomised, best: shares of tiles on the last days.
    beyond: day, share of all tiles. goal: the share that the program asks for; None for no goal.
    """

    days: list[Row]
    topics: list[Row]
    beyond: list[Row]
    goal: float | None

    earning = "pages earned"
    span = "days"


def page(results: HomepageResults) -> str:
    """The results as one HTML document."""
    return render(
        _TEMPLATE,
        results,
        rewards_chart=figure(
            mean_rewards(results.days, results.champion_since),
            "Mean reward of a page by day: personalised, randomised, and with full knowledge.",
        ),
        topics_chart=figure(
            topic_shares(results.topics),
            "Share of tiles by topic: "
            + ", ".join(f"{row['topic']} {percent(row['personalised'])}" for row in results.topics),
        ),
        beyond_chart=figure(
            goal_share(results.beyond, results.goal),
            "Share of tiles with topics beyond the 401(k), by day, against the goal.",
        ),
    )


def topic_shares(shares: Sequence[Row]) -> alt.LayerChart | None:
    """The share of tiles that each topic got: personalised pages as bars, beside them the other two."""
    if not shares:
        return None
    ranked = sorted(shares, key=lambda row: -row["best"])
    order = [words(row["topic"]) for row in ranked]
    rows = [
        {"topic": words(row["topic"]), "kind": NAMES[kind], "value": 100 * row[kind]}
        for row in ranked
        for kind in COLOURS
    ]
    y = alt.Y("topic:N", title=None, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False, labelLimit=260))
    x = alt.X("value:Q", title="share of tiles (%)", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=6))
    base = alt.Chart(inline(rows)).encode(x=x, y=y, color=colour_by_kind())
    bars = base.transform_filter("datum.kind == 'personalised'").mark_bar(height=ROW * 0.55, opacity=0.85)
    ticks = base.transform_filter("datum.kind != 'personalised'")
    return layered([bars, ticks.mark_tick(thickness=3, size=ROW * 0.8)], ROW * len(order))


def goal_share(days: Sequence[Row], goal: float | None) -> alt.LayerChart | None:
    """The share of all tiles that the topics of the goal got, by day, against the goal."""
    rows = [
        {"day": number, "value": 100 * row["share"]}
        for number, row in enumerate(days, start=1)
        if finite(row["share"])
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title="share of tiles (%)", scale=alt.Scale(zero=True))
    base = alt.Chart(inline(rows)).encode(x=numbered("day"), y=y)
    layers = [base.mark_line(color=BLUE, strokeWidth=2.5), base.mark_point(color=BLUE, fill=BLUE, size=28)]
    if goal is not None:
        line = alt.Chart(inline([{"value": 100 * goal}])).mark_rule(color=INK, strokeDash=[4, 3])
        layers.append(line.encode(y=y))
    return layered(layers, HEIGHT // 2)

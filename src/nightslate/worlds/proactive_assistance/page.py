"""The page of simulated assistance: what users were worth, who stayed, what was shown, and what nights
estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import altair as alt
import pyarrow as pa

from nightslate.reports.document import figure
from nightslate.reports.numbers import Reward, percent
from nightslate.reports.plots import AMBER, BLUE, GREEN, INK, MUTED, PURPLE, inline, layered
from nightslate.reports.uplift import HelpJudged, help_judged
from nightslate.worlds.charts import HEIGHT, by_group, in_percent, numbered, words
from nightslate.worlds.results import Results, Row
from nightslate.worlds.results_page import render

_TEMPLATE = Path(__file__).with_name("page.html.j2")
NAMES = {
    "personalised": "personalised",
    "chance": "by chance",
    "rule": "discount rule",
    "best": "full knowledge",
}
COLOURS = {"personalised": BLUE, "chance": AMBER, "rule": PURPLE, "best": GREEN}

_by_group = partial(by_group, names=NAMES, colours=COLOURS, zero=False)


@dataclass(frozen=True)
class AssistanceResults(Results):
    """All figures of proactive assistance and its nights.

    horizon: days of the horizon of staying. A value is the net reward of a user over such a horizon.
    days: day, and by group (personalised, randomised, chance, rule, best) the value at the rate of the day.
    retention: day, and by group which share of the first day's users is still there after it.
    groups: group, value (over the last days), helps, discounts (shown to a user in 30 days).
    served: whether the app decided what was shown, as users acted; else slates did.
    budgets: ds, issue, budget, most, expected, drawn: what the slates of a night use; served, what was shown
    on the day of a night, of which nothing was expected.
    uplift: ds, issue, learner, figure, at, value, lower, upper, spent, first_day, last_day: of the last night
    of each issue that has any, what help gains against nothing by predicted gain.
    """

    horizon: int
    days: list[Row]
    retention: list[Row]
    groups: list[Row]
    served: bool
    budgets: list[Row]
    uplift: list[Row]

    earning = "users earned"
    span = "days"

    @property
    def using(self) -> str:
        """Whose use of budgets is counted, in words."""
        return "the app's answers on each day" if self.served else "the slates of each night"

    @property
    def kept(self) -> int:
        """How many budgets of a night were kept, in what was drawn."""
        return sum(row["drawn"] <= row["most"] for row in self.budgets)

    @property
    def figures(self) -> list[Row]:
        """The groups, with the share of the first day's users that is left in the end."""
        return [{**group, "left": self.retention[-1][group["group"]]} for group in self.groups]


def page(results: AssistanceResults) -> str:
    """The results as one HTML document."""
    return render(
        _TEMPLATE,
        results,
        values_chart=figure(
            _by_group(
                results.days, f"net reward of a user over {results.horizon} days", results.champion_since
            ),
            "Net reward of a user by day: personalised, by chance, by the rule, and with full knowledge.",
        ),
        retention_chart=figure(
            _by_group(
                [in_percent(row) for row in results.retention],
                "first users still subscribed (%)",
                {},
            ),
            "Share of the first day's users who are still subscribed, by day: "
            + ", ".join(f"{NAMES[name]} {percent(results.retention[-1][name])}" for name in NAMES),
        ),
        budgets_chart=figure(
            budget_chart(results.budgets),
            f"What {results.using} use of each budget, against the budget.",
        ),
        uplifts=uplifts(results),
    )


def uplifts(results: AssistanceResults) -> list[tuple[str, HelpJudged]]:
    """By issue, of each learner that predicts rewards: whom its help helps."""
    reward, found = Reward(results.reward, rate=False), []
    for issue, learner in dict.fromkeys((row["issue"], row["learner"]) for row in results.uplift):
        rows = pa.Table.from_pylist([row for row in results.uplift if row["issue"] == issue])
        judged = help_judged(rows, learner, reward)
        found += [(issue, judged)] if judged else []
    return found


def budget_chart(budgets: Sequence[Row]) -> alt.LayerChart | None:
    """What each night's slates use of each budget, in percent of it."""
    nights = {ds: number for number, ds in enumerate(sorted({row["ds"] for row in budgets}), start=1)}
    rows = [
        {
            "day": nights[row["ds"]],
            "budget": words(row["budget"]),
            "value": 100 * row["drawn"] / row["most"],
        }
        for row in budgets
        if row["most"]
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title="of the budget (%)", scale=alt.Scale(zero=True))
    names = list(dict.fromkeys(row["budget"] for row in rows))
    scale = alt.Scale(domain=names, range=[BLUE, AMBER, GREEN, PURPLE, MUTED][: len(names)])
    base = alt.Chart(inline(rows)).encode(
        x=numbered("night"), y=y, color=alt.Color("budget:N", scale=scale, title=None)
    )
    line = alt.Chart(inline([{"value": 100}])).mark_rule(color=INK, strokeDash=[4, 3])
    return layered([base.mark_line(strokeWidth=2), line.encode(y=y)], HEIGHT // 2)

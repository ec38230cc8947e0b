"""The charts that the pages of all simulations have, in the colours that the pages' style sheet knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from nightslate.reports.numbers import finite
from nightslate.reports.plots import AMBER, BLUE, GREEN, MUTED, PURPLE, inline, layered

HEIGHT = 260
_LINE = 16
COLOURS = {"personalised": BLUE, "randomised": AMBER, "best": GREEN}
NAMES = {"personalised": "personalised", "randomised": "randomised", "best": "full knowledge"}

Row = Mapping[str, Any]


def mean_rewards(
    days: Sequence[Row],
    champion_since: Mapping[int, str],
    reward: str = "expected reward of a page",
    day: str = "day",
) -> alt.LayerChart | None:
    """The mean reward of a page by day: personalised, randomised, and with full knowledge. `champion_since`:
    the learner that is champion from a day on, counted from 1. `reward` and `day`: the titles of the axes."""
    rows = [
        {"day": number, "kind": NAMES[kind], "value": row[kind]}
        for number, row in enumerate(days, start=1)
        for kind in COLOURS
        if finite(row[kind])
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title=reward, scale=alt.Scale(zero=True))
    lines = alt.Chart(inline(rows)).encode(x=numbered(day), y=y, color=colour_by_kind())
    layers = [lines.mark_line(strokeWidth=2.5), lines.mark_point(filled=True, size=28, opacity=1)]
    return layered([*champion_rules(champion_since, day), *layers], HEIGHT)


def by_group(
    days: Sequence[Row],
    title: str,
    champion_since: Mapping[int, str],
    *,
    names: Mapping[str, str],
    colours: Mapping[str, str],
    zero: bool,
) -> alt.LayerChart | None:
    """A figure of each group by day, by what groups are called and drawn in; `zero`: whether the axis begins
    there."""
    rows = [
        {"day": number, "kind": name, "value": row[group]}
        for number, row in enumerate(days, start=1)
        for group, name in names.items()
        if finite(row[group])
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=zero))
    scale = alt.Scale(domain=list(names.values()), range=list(colours.values()))
    colour = alt.Color("kind:N", scale=scale, title=None)
    lines = alt.Chart(inline(rows)).encode(x=numbered("day"), y=y, color=colour)
    return layered([*champion_rules(champion_since, "day"), lines.mark_line(strokeWidth=2.5)], HEIGHT)


def in_percent(row: Row) -> Row:
    """A row whose shares are percentages."""
    return {name: 100 * value if isinstance(value, float) else value for name, value in row.items()}


def champion_estimates(rows: Sequence[Row], reward: str) -> alt.LayerChart | None:
    """Each night's estimate of the policy that was champion, with its interval, beside what was true."""
    numbers = {ds: number for number, ds in enumerate(sorted({row["ds"] for row in rows}), start=1)}
    shown = [
        {
            "day": numbers[row["ds"]],
            **{name: row[name] for name in ("value", "lower", "upper", "truth", "realised")},
        }
        for row in rows
        if row["realised"] is not None and all(finite(row[name]) for name in ("value", "lower", "upper"))
    ]
    if not shown:
        return None
    names = {"value": "estimate", "truth": "truth", "realised": "realised"}
    scale = alt.Scale(domain=list(names.values()), range=[BLUE, GREEN, PURPLE])
    shapes = alt.Scale(domain=list(names.values()), range=["circle", "diamond", "triangle-up"])
    points = [{"day": row["day"], "what": names[name], "value": row[name]} for row in shown for name in names]
    title = alt.Y("lower:Q", title=reward, scale=alt.Scale(zero=False))
    intervals = (
        alt.Chart(inline(shown))
        .mark_rule(color=BLUE, strokeWidth=2)
        .encode(numbered("night"), y=title, y2="upper:Q")
    )
    dots = (
        alt.Chart(inline(points))
        .mark_point(filled=True, size=48, opacity=1)
        .encode(
            numbered("night"),
            y=alt.Y("value:Q", title=reward),
            color=alt.Color("what:N", scale=scale, title=None),
            shape=alt.Shape("what:N", scale=shapes, title=None),
        )
    )
    return layered([intervals, dots], HEIGHT)


def champion_rules(champion_since: Mapping[int, str], day: str) -> list[alt.Chart]:
    """Where a champion begins, with its name, above that of the one before it: none covers another."""
    if not champion_since:
        return []
    x = numbered(day)
    rules = alt.Chart(inline([{"day": begins} for begins in champion_since]))
    names = [
        alt.Chart(inline([{"day": begins, "name": words(name)}]))
        .mark_text(align="left", dx=5, baseline="bottom", color=MUTED, fontSize=12)
        .encode(x=x, y=alt.value(HEIGHT - 4 - place * _LINE), text="name:N")
        for place, (begins, name) in enumerate(sorted(champion_since.items()))
    ]
    return [rules.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x=x), *names]


def colour_by_kind() -> alt.Color:
    """What is personalised, randomised, or of full knowledge."""
    scale = alt.Scale(domain=list(NAMES.values()), range=list(COLOURS.values()))
    return alt.Color("kind:N", scale=scale, title=None)


def numbered(title: str) -> alt.X:
    """Days, nights or cohorts, counted from 1."""
    axis = alt.Axis(tickMinStep=1, format="d", grid=False)
    return alt.X("day:Q", title=title, axis=axis, scale=alt.Scale(zero=False, nice=False))


def words(name: str) -> str:
    """A name as a reader writes it."""
    return name.replace("_", " ")

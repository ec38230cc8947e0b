"""The charts of a simulation's page, in the colours that the pages' style sheet knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from nightslate.reports.numbers import finite
from nightslate.reports.plots import AMBER, BLUE, GREEN, INK, MUTED, PURPLE, ROW, inline, layered

_HEIGHT = 260
_KINDS = {"personalised": BLUE, "randomised": AMBER, "best": GREEN}
_NAMES = {"personalised": "personalised", "randomised": "randomised", "best": "full knowledge"}

Row = Mapping[str, Any]


def rewards(
    days: Sequence[Row],
    promoted: Mapping[int, str],
    reward: str = "expected reward of a page",
    day: str = "day",
) -> alt.LayerChart | None:
    """The mean reward of a page by day: personalised, randomised, and with full knowledge. `promoted`: the
    learner that was champion from a day on, counted from 1. `reward` and `day`: the titles of the axes."""
    rows = [
        {"day": number, "kind": _NAMES[kind], "value": row[kind]}
        for number, row in enumerate(days, start=1)
        for kind in _KINDS
        if finite(row[kind])
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title=reward, scale=alt.Scale(zero=True))
    lines = alt.Chart(inline(rows)).encode(x=_numbered(day), y=y, color=_colour())
    layers = [lines.mark_line(strokeWidth=2.5), lines.mark_point(filled=True, size=28, opacity=1)]
    return layered([*_crowned(promoted, day), *layers], _HEIGHT)


def topics(shares: Sequence[Row]) -> alt.LayerChart | None:
    """The share of tiles that each topic got: personalised pages as bars, beside them the other two."""
    if not shares:
        return None
    ranked = sorted(shares, key=lambda row: -row["best"])
    order = [_words(row["topic"]) for row in ranked]
    rows = [
        {"topic": _words(row["topic"]), "kind": _NAMES[kind], "value": 100 * row[kind]}
        for row in ranked
        for kind in _KINDS
    ]
    y = alt.Y("topic:N", title=None, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False, labelLimit=260))
    x = alt.X("value:Q", title="share of tiles (%)", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=6))
    base = alt.Chart(inline(rows)).encode(x=x, y=y, color=_colour())
    bars = base.transform_filter("datum.kind == 'personalised'").mark_bar(height=ROW * 0.55, opacity=0.85)
    ticks = base.transform_filter("datum.kind != 'personalised'")
    return layered([bars, ticks.mark_tick(thickness=3, size=ROW * 0.8)], ROW * len(order))


def beyond(days: Sequence[Row], goal: float | None) -> alt.LayerChart | None:
    """The share of all tiles that the topics of the goal got, by day, against the goal."""
    rows = [
        {"day": number, "value": 100 * row["share"]}
        for number, row in enumerate(days, start=1)
        if finite(row["share"])
    ]
    if not rows:
        return None
    y = alt.Y("value:Q", title="share of tiles (%)", scale=alt.Scale(zero=True))
    base = alt.Chart(inline(rows)).encode(x=_numbered("day"), y=y)
    layers = [base.mark_line(color=BLUE, strokeWidth=2.5), base.mark_point(color=BLUE, fill=BLUE, size=28)]
    if goal is not None:
        line = alt.Chart(inline([{"value": 100 * goal}])).mark_rule(color=INK, strokeDash=[4, 3])
        layers.append(line.encode(y=y))
    return layered(layers, _HEIGHT // 2)


def estimates(rows: Sequence[Row], reward: str) -> alt.LayerChart | None:
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
        .encode(_numbered("night"), y=title, y2="upper:Q")
    )
    dots = (
        alt.Chart(inline(points))
        .mark_point(filled=True, size=48, opacity=1)
        .encode(
            _numbered("night"),
            y=alt.Y("value:Q", title=reward),
            color=alt.Color("what:N", scale=scale, title=None),
            shape=alt.Shape("what:N", scale=shapes, title=None),
        )
    )
    return layered([intervals, dots], _HEIGHT)


def _crowned(promoted: Mapping[int, str], day: str) -> list[alt.Chart]:
    """Where a champion begins, with its name."""
    if not promoted:
        return []
    base = alt.Chart(inline([{"day": day, "name": _words(name)} for day, name in promoted.items()]))
    rules = base.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x=_numbered(day))
    names = base.mark_text(align="left", dx=5, baseline="bottom", color=MUTED, fontSize=12)
    return [rules, names.encode(x=_numbered(day), y=alt.value(_HEIGHT - 4), text="name:N")]


def _colour() -> alt.Color:
    scale = alt.Scale(domain=list(_NAMES.values()), range=list(_KINDS.values()))
    return alt.Color("kind:N", scale=scale, title=None)


def _numbered(title: str) -> alt.X:
    axis = alt.Axis(tickMinStep=1, format="d", grid=False)
    return alt.X("day:Q", title=title, axis=axis, scale=alt.Scale(zero=False, nice=False))


def _words(name: str) -> str:
    return name.replace("_", " ")

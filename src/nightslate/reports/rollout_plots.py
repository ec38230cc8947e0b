"""The charts of a rollout: shares and effects over days, who has which share, and by what context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.numbers import finite
from nightslate.reports.plots import (
    AMBER,
    BLUE,
    ESTIMATOR_COLOURS,
    GREEN,
    INK,
    PURPLE,
    RED,
    ROW,
    days_axis,
    inline,
    layered,
    time_of,
    x_axis,
    y_axis,
)
from nightslate.reports.rollout_events import KINDS, Event

Row = Mapping[str, Any]

_HEIGHT, _LOW = 250, 170
_EVENT_COLOURS = (GREEN, PURPLE, AMBER, RED)
_EVENT_SHAPES = ("triangle-up", "square", "diamond", "cross")
_BARS = 40
"""Of a histogram of shares, from 0 to 1."""


def shares_over_days(
    shares: pa.Table, rollouts: pa.Table, events: Sequence[Event], treatments: Sequence[str]
) -> alt.LayerChart | None:
    """The baseline as steps, the mean of users' shares as a line, and the band in which the middle
    eight of ten users are, of each treatment; above them what happened."""
    of_users = _of_days(shares, treatments)
    everyone = _of_days(rollouts.filter(pc.is_null(rollouts["region"])), treatments)
    if not everyone:
        return None
    times = sorted({row["day"] for row in everyone})
    colour = _colour("variant", treatments, "treatment")
    x = days_axis("day", times)
    base = alt.Chart(inline(of_users)).encode(x=x, color=colour)
    steps = alt.Chart(inline(everyone)).mark_line(
        strokeDash=[5, 3], strokeWidth=1.5, interpolate="step-after"
    )
    lines = [*(_of_users(base) if of_users else []), steps.encode(x=x, y=_percent("share"), color=colour)]
    return layered([alt.layer(*lines), *_marks(events, times, x)], _HEIGHT, apart=True)


def effect_over_nights(rows: Sequence[Row], margin: float | None = None) -> alt.LayerChart | None:
    """The effect of each treatment on one metric, with the interval that holds at every look; dashed, no
    effect, and the margin of a guardrail. rows: of the table `readouts`, one a night and treatment."""
    drawn = [
        {
            "day": time_of(row["ds"]),
            "variant": row["variant"],
            **{
                name: row[column]
                for name, column in (
                    ("value", "effect"),
                    ("lower", "anytime_lower"),
                    ("upper", "anytime_upper"),
                )
                if finite(row[column])
            },
        }
        for row in rows
        if finite(row["effect"])
    ]
    if not drawn:
        return None
    treatments = sorted({str(row["variant"]) for row in drawn})
    x = days_axis("day", sorted({row["day"] for row in drawn}))
    colour = _colour("variant", treatments, "treatment")
    banded, base = (
        alt.Chart(inline(some)).encode(x=x, color=colour)
        for some in ([row for row in drawn if "lower" in row and "upper" in row], drawn)
    )
    lines = [(0.0, INK), *([] if margin is None else [(margin, RED)])]
    return layered(
        [
            banded.mark_area(opacity=0.16).encode(y=_number("lower"), y2="upper:Q"),
            *(
                alt.Chart(inline([{"value": at}]))
                .mark_rule(color=ink, strokeDash=[4, 3], strokeWidth=1.5)
                .encode(y=_number("value"))
                for at, ink in lines
            ),
            base.mark_line(strokeWidth=2.5).encode(y=_number("value")),
            base.mark_point(filled=True, size=28, opacity=1).encode(y=_number("value")),
        ],
        _LOW,
    )


def shares_tonight(shares: Mapping[str, Row], everyone: Mapping[str, float]) -> alt.LayerChart | None:
    """How many users have which share of each treatment (by name in `everyone`); a line is the baseline.
    shares: rows of the table `rollout_shares`, of all users on one day, by variant."""
    drawn = [
        {
            "variant": row["variant"],
            "from": 100 * at / _BARS,
            "to": 100 * (at + 1) / _BARS,
            "users": 100 * part,
        }
        for row in (shares[name] for name in everyone if name in shares)
        if row["shares"]
        for at, part in enumerate(_gathered(row["shares"]))
        if part
    ]
    return _bars(drawn, "share of the treatment (%)", {name: 100 * at for name, at in everyone.items()})


def asked_tonight(
    shares: Mapping[str, Row], range_: float, treatments: Sequence[str]
) -> alt.LayerChart | None:
    """By how much scores ask to move the share of each treatment, in percentage points, at most by the
    range. shares: as `shares_tonight` has them."""
    rows = [shares[name] for name in treatments if name in shares and shares[name]["asked"]]
    drawn = [
        {
            "variant": row["variant"],
            "from": 100 * range_ * (2 * at - 1 - (n - 1)) / (n - 1),
            "to": 100 * range_ * (2 * at + 1 - (n - 1)) / (n - 1),
            "users": 100 * part,
        }
        for row in rows
        for n in [len(row["asked"])]
        for at, part in enumerate(row["asked"])
        if part
    ]
    return _bars(drawn, "what the score asks for (percentage points)", dict.fromkeys(treatments, 0.0))


def shares_by_context(rows: Sequence[Row], everyone: float) -> alt.LayerChart | None:
    """The mean share of one treatment by value of a context, and where the middle eight of ten users are; a
    line is the baseline. rows: label, share, share_p10, share_p90."""
    if not rows:
        return None
    drawn = [
        {"label": row["label"], **{name: 100 * row[name] for name in ("share", "share_p10", "share_p90")}}
        for row in rows
    ]
    title = "share of the treatment (%): mean, and the middle eight of ten users"
    line = alt.Chart(inline([{"share": 100 * everyone}])).mark_rule(color=INK, strokeDash=[4, 3])
    base = alt.Chart(inline(drawn)).encode(y=y_axis("label", [str(row["label"]) for row in drawn]))
    middle = base.mark_rule(color=BLUE, strokeWidth=6, opacity=0.3)
    layers = [
        line.encode(x=x_axis("share", title)),
        middle.encode(x=x_axis("share_p10", title), x2="share_p90:Q"),
        base.mark_point(color=BLUE, fill=BLUE, size=60, opacity=1).encode(x=x_axis("share", title)),
    ]
    return layered(layers, ROW * len(drawn))


def _of_users(base: alt.Chart) -> list[alt.Chart]:
    band = base.mark_area(opacity=0.16).encode(y=_percent("share_p10"), y2="share_p90:Q")
    line = base.mark_line(strokeWidth=2.5).encode(y=_percent("share"))
    return [band, line, base.mark_point(filled=True, size=28, opacity=1).encode(y=_percent("share"))]


def _marks(events: Sequence[Event], times: Sequence[int], x: alt.X) -> list[alt.LayerChart | alt.FacetChart]:
    """A line over the day of each event, and its kind above it."""
    drawn = {(time_of(event.day), event.kind): 106 + 6 * KINDS.index(event.kind) for event in events}
    if not drawn:
        return []
    rows = [{"day": day, "kind": kind, "height": at} for (day, kind), at in drawn.items() if day in times]
    title = "what happened"
    legend = alt.Legend(title=title, symbolOpacity=1)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=KINDS, range=_EVENT_SHAPES), legend=legend)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=KINDS, range=_EVENT_COLOURS), legend=legend)
    base = alt.Chart(inline(rows)).encode(x=x, color=colour)
    rule = base.mark_rule(strokeWidth=1, opacity=0.5, strokeDash=[2, 2])
    points = base.mark_point(filled=True, size=70, opacity=1).encode(y=_percent("height"), shape=shape)
    return [alt.layer(rule, points)]


def _bars(drawn: Sequence[Row], title: str, lines: Mapping[str, float]) -> alt.LayerChart | None:
    if not drawn:
        return None
    base = alt.Chart(inline(drawn)).encode(color=_colour("variant", list(lines), "treatment"))
    x = x_axis("from", title, zero=True)
    bars = base.mark_bar(opacity=0.75 if len(lines) == 1 else 0.5, binSpacing=1).encode(
        x=x,
        x2="to:Q",
        y=alt.Y("users:Q", title="users (%)", stack=None),
        y2=alt.Y2Datum(0),
    )
    at = [{"from": value} for value in dict.fromkeys(lines.values())]
    rule = alt.Chart(inline(at)).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=x)
    return layered([bars, rule], _LOW)


def _gathered(parts: Sequence[float]) -> list[float]:
    """Of classes about 0, 1/200 and so on those of as many bars, the last one with what is 1."""
    place = np.minimum(np.arange(len(parts)) * _BARS // (len(parts) - 1), _BARS - 1)
    gathered: list[float] = np.bincount(place, weights=np.array(parts), minlength=_BARS).tolist()
    return gathered


def _of_days(rows: pa.Table, treatments: Sequence[str]) -> list[dict[str, Any]]:
    """Shares in percent, by day."""
    figures = [name for name in rows.column_names if name == "share" or name.startswith("share_p")]
    return [
        {
            "day": time_of(row["slate_date"]),
            "variant": row["variant"],
            **{name: 100 * row[name] for name in figures},
        }
        for row in rows.sort_by("slate_date").to_pylist()
        if row["variant"] in treatments
    ]


def _colour(field: str, names: Sequence[str], title: str) -> alt.Color:
    colours = [ESTIMATOR_COLOURS[1:][place % 5] for place in range(len(names))]
    legend = None if len(names) == 1 else alt.Legend(symbolOpacity=1, symbolType="circle", title=title)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend)


def _percent(field: str) -> alt.Y:
    axis = alt.Axis(values=[0, 20, 40, 60, 80, 100])
    return alt.Y(f"{field}:Q", title="share (%)", scale=alt.Scale(domain=[0, 128]), axis=axis)


def _number(field: str) -> alt.Y:
    return alt.Y(
        f"{field}:Q", title="effect", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=5)
    )

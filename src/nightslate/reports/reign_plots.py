"""The chart of a reign: what the evidence for each challenger was worth after each day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import altair as alt

from nightslate.reports.numbers import significant
from nightslate.reports.plots import ESTIMATOR_COLOURS, ESTIMATOR_SHAPES, days_axis, inline, layered, time_of
from nightslate.reports.reigns import MOST_DRAWN, Growth

_HEIGHT = 240
_LEAST, _ROOM, _BEYOND = 1e-3, 2.0, 1e3
"""A capital of less is drawn as this one; the axis ends so many times above what is drawn or needed, and no
further above what is needed than the last."""


def capital(growths: Sequence[Growth]) -> alt.LayerChart | None:
    """Each challenger's capital by day shown, from 1 on the day before its first, on an axis of logarithms;
    dashed, in its colour: what it takes to be promoted. None without evidence."""
    if not growths:
        return None
    names = [growth.challenger for growth in growths]
    needed = [math.exp(growth.needed) for growth in growths]
    curves = [_drawn(growth, max(needed) * _BEYOND) for growth in growths]
    points = [
        {"challenger": name, "day": day, "capital": capital}
        for name, curve in zip(names, curves, strict=True)
        for day, capital in curve.items()
    ]
    drawn = [*needed, *(capital for curve in curves for capital in curve.values())]
    domain = [min(drawn) / _ROOM, max(drawn) * _ROOM]
    days = sorted({day for curve in curves for day in curve})
    apart = (days[-1] - days[0]) / MOST_DRAWN  # side by side, as bars of late joiners lie close together
    bars = [
        {"challenger": name, "day": days[0] + i * apart, "needed": bar, "label": f"{significant(bar)} needed"}
        for i, (name, bar) in enumerate(zip(names, needed, strict=True))
    ]
    color = alt.Color(
        "challenger:N",
        title="challenger",
        scale=alt.Scale(domain=names, range=list(ESTIMATOR_COLOURS[: len(names)])),
        legend=alt.Legend(columns=2, labelLimit=280),
    )
    shape = alt.Shape(
        "challenger:N", scale=alt.Scale(domain=names, range=list(ESTIMATOR_SHAPES[: len(names)]))
    )
    base = alt.Chart(inline(points)).encode(
        x=days_axis("day", days, "day shown"), y=_logarithms("capital", domain), color=color
    )
    bar = alt.Chart(inline(bars)).encode(y=_logarithms("needed", domain), color=color)
    label = bar.mark_text(align="left", baseline="bottom", dx=2, dy=-2, fontSize=11)
    return layered(
        [
            bar.mark_rule(strokeDash=[5, 3], strokeWidth=1.5),
            label.encode(x=days_axis("day", days, "day shown"), text="label:N"),
            base.mark_line(strokeWidth=2),
            base.mark_point(filled=True, size=45, opacity=1).encode(shape=shape),
        ],
        _HEIGHT,
    )


def _drawn(growth: Growth, most: float) -> dict[int, float]:
    """The capital by time, from 1 on; beyond what an axis can show, its end."""
    days = [growth.days[0] - timedelta(days=1), *growth.days]
    low, high = math.log(_LEAST), math.log(most)
    within = [math.exp(min(max(log_capital, low), high)) for log_capital in (0.0, *growth.log_capital)]
    return dict(zip(map(time_of, days), within, strict=True))


def _logarithms(field: str, domain: Sequence[float]) -> alt.Y:
    low, high = (math.log10(end) for end in domain)
    powers = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    return alt.Y(
        f"{field}:Q",
        title="evidence: what a capital of 1 has become",
        scale=alt.Scale(type="log", domain=list(domain), nice=False),
        axis=alt.Axis(values=powers, format=",~r"),
    )

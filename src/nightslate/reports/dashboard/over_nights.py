"""Charts over nights, whose colours are the page's: they follow its theme without being drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from nightslate.reports.plots import SHORT_LABEL

ROWS = "rows"
"""The data set of a chart that the page fills in."""

COLOURS = ("blue", "amber", "green", "purple", "red", "teal")
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4]]
"""One fewer than there are colours: thirty names are told apart."""

LEGEND = alt.Legend(labelExpr=SHORT_LABEL, symbolOpacity=1, symbolStrokeWidth=2, symbolType="stroke")

NAMES = ["*"]
"""In place of a scale's domain: the names that the issue which is shown has, which the page puts here."""

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

HEIGHT = 260
_DAY = 86_400_000
_TICKS = f"max(1, min(width / 110, span(domain('x')) / {_DAY}))"
"""No more than there are nights, nor than their days have room for."""


def rows() -> alt.Chart:
    """A chart of the section's rows."""
    return alt.Chart(alt.NamedData(name=ROWS))


def constant(value: float, *, zero: bool = False) -> alt.Chart:
    """A line at a value that figures are held against."""
    base = alt.Chart(alt.InlineData(values=[{"value": value}])).encode(y=figure("value", zero=zero))
    line: alt.Chart = base.mark_rule(color=colour("ink"), strokeDash=[4, 3])
    return line


def colour(name: str) -> str:
    """A colour of the page's style sheet."""
    return f"var(--{name})"


def night(field: str = "at") -> alt.X:
    """The night's ds. The page gives `at`, its milliseconds."""
    axis = alt.Axis(
        grid=False, labelOverlap=True, format="%-d %b %Y", tickCount=alt.ExprRef(_TICKS), tickMinStep=_DAY
    )
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def figure(field: str, *, zero: bool = False, stack: bool | None = None) -> alt.Y:
    """A number on the vertical axis."""
    scale = alt.Scale(zero=zero, nice=True)
    return alt.Y(f"{field}:Q", title=None, scale=scale, stack=stack, axis=alt.Axis(tickCount=5))


def coloured_by(field: str) -> alt.Color:
    """Each name has the same colour in all charts of an issue, whatever is picked of them."""
    scale = alt.Scale(domain=NAMES, range=[colour(name) for name in COLOURS])
    return alt.Color(f"{field}:N", scale=scale, title=None, legend=LEGEND)


def dashed_by(field: str) -> alt.StrokeDash:
    """What tells lines apart where colours do not: on paper, and for some eyes."""
    scale = alt.Scale(domain=NAMES, range=DASHES)
    return alt.StrokeDash(f"{field}:N", scale=scale, title=None, legend=LEGEND)


def bands(field: str, *tooltip: alt.Tooltip) -> Drawn:
    """A line for each name in a column, of the column `value`, within the band from `lower` to `upper`."""
    band = _by(field).mark_area(opacity=0.13).encode(y=figure("lower"), y2="upper:Q")
    return alt.layer(band, *_lines(field, figure("value"), tooltip))


def lines(field: str, value: str, *tooltip: alt.Tooltip) -> Drawn:
    """A line for each name in a column, of another column, which has no interval."""
    return alt.layer(*_lines(field, figure(value, zero=True), tooltip))


def told(title: str, field: str, kind: str = "N") -> alt.Tooltip:
    """A line of what is said of the point that the mouse is on; numbers to three significant digits."""
    line = alt.Tooltip(f"{field}:{kind}", title=title)
    return line.format(",.3~r") if kind == "Q" else line


def _by(field: str) -> alt.Chart:
    return rows().encode(x=night(), color=coloured_by(field))


def _lines(field: str, y: alt.Y, tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    drawn = _by(field).mark_line(strokeWidth=2).encode(y=y, strokeDash=dashed_by(field))
    dots = _by(field).mark_point(filled=True, size=22, opacity=1).encode(y=y, tooltip=list(tooltip))
    return [drawn, dots]


def specification(chart: Drawn) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as its place in the page."""
    text = {"labelColor": colour("ink"), "titleColor": colour("muted"), "titleFontWeight": "normal"}
    drawn = chart.properties(width="container", height=HEIGHT).configure(
        background="transparent",
        font="system-ui, sans-serif",
        view={"stroke": None},
        axis={
            **text,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "gridColor": colour("line"),
            "domainColor": colour("line"),
            "tickColor": colour("line"),
            "domain": False,
            "ticks": False,
            "labelPadding": 8,
        },
        legend={**text, "labelFontSize": 12, "orient": "top", "direction": "horizontal", "columns": 4},
    )
    return dict(drawn.to_dict())

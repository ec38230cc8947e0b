"""Charts over nights, whose colours are the page's: they follow its theme without being drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

ROWS = "rows"
"""The data set of a chart that the page fills in."""

COLOURS = [
    *("blue", "amber", "green", "purple", "red", "teal"),
    *("pink", "lime", "indigo", "brown", "sky", "slate"),
]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4]]
"""What tells lines apart where colours do not: on paper, and for some eyes."""

NAMES, COLOURS_OF_NAMES = ["*names"], ["*colours"]
"""In place of a scale's domain and range: the names that the shown issue has, and their colours, which the
page puts here. It has the legend, too: what picks names shows how each is drawn."""

OTHERS = "all other arms"
"""A name that is no colour's: it is muted."""

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

HEIGHT = 260
_DAY = 86_400_000
_DOT = alt.condition("datum.role === 'champion'", alt.value(70), alt.value(20))
"""The champion of the night stands out."""

_TICKS = f"max(1, min(width / 110, span(domain('x')) / {_DAY}))"
"""No more than there are nights, nor than their days have room for."""


def rows() -> alt.Chart:
    """A chart of the section's rows."""
    return alt.Chart(alt.NamedData(name=ROWS))


def constant(value: float, y: alt.Y | None = None) -> alt.Chart:
    """A line at a value that figures are held against; `y`: the axis, of the column `value`."""
    base = alt.Chart(alt.InlineData(values=[{"value": value}])).encode(y=y or figure("value"))
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


def figure(
    field: str, *, zero: bool = False, stack: bool | None = None, scale: Literal["linear", "sqrt"] = "linear"
) -> alt.Y:
    """A number on the vertical axis."""
    of = alt.Scale(zero=zero, nice=True, type=scale)
    return alt.Y(f"{field}:Q", title=None, scale=of, stack=stack, axis=alt.Axis(tickCount=5))


def coloured_by(field: str) -> alt.Color:
    """Each name has the same colour in all charts of an issue, whatever is picked of them."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=NAMES, range=COLOURS_OF_NAMES), legend=None)


def dashed_by(field: str) -> alt.StrokeDash:
    """The same of dashes."""
    return alt.StrokeDash(f"{field}:N", scale=alt.Scale(domain=NAMES, range=DASHES), legend=None)


def bands(field: str, *tooltip: alt.Tooltip) -> Drawn:
    """A line for each name in a column, of the column `value`, within the band from `lower` to `upper`."""
    band = _by(field).mark_area(opacity=0.1).encode(y=figure("lower"), y2="upper:Q")
    return alt.layer(band, *_lines(field, figure("value"), tooltip))


def lines(field: str, y: alt.Y, *tooltip: alt.Tooltip) -> Drawn:
    """A line for each name in a column, of a figure that has no interval."""
    return alt.layer(*_lines(field, y, tooltip))


def told(title: str, field: str, kind: str = "N") -> alt.Tooltip:
    """A line of what is said of the point that the mouse is on; numbers to three significant digits."""
    line = alt.Tooltip(f"{field}:{kind}", title=title)
    return line.format(",.3~r") if kind == "Q" else line


def _by(field: str) -> alt.Chart:
    return rows().encode(x=night(), color=coloured_by(field))


def _lines(field: str, y: alt.Y, tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    drawn = _by(field).mark_line(strokeWidth=2).encode(y=y, strokeDash=dashed_by(field))
    dots = _by(field).mark_point(filled=True, opacity=1).encode(y=y, size=_DOT, tooltip=list(tooltip))
    return [drawn, dots]


def specification(chart: Drawn) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as its place in the page."""
    text = {"labelColor": colour("ink"), "titleColor": colour("muted"), "titleFontWeight": "normal"}
    drawn = chart.properties(width="container", height=HEIGHT).configure(
        aria=False,
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
        legend={**text, "labelFontSize": 12, "orient": "top", "direction": "horizontal", "symbolOpacity": 1},
    )
    return dict(drawn.to_dict())

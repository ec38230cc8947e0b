"""The charts, as Altair specifications with their data inside: into the page as SVG, to MLflow as PNG.

Colours are those of the light page; the page's style sheet maps each of them for dark screens."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import cycle, islice
from typing import Any

import altair as alt
import pyarrow as pa

from nightslate.reports.numbers import MINUS, Reward, finite

INK, MUTED, GRID = "#1f2a37", "#5b6675", "#dfe4ea"
BLUE, AMBER, GREEN, PURPLE = "#2563eb", "#b45309", "#047857", "#7e22ce"
RED, TEAL = "#be123c", "#0e7490"
ESTIMATOR_COLOURS = (AMBER, BLUE, GREEN, PURPLE, RED, TEAL)
ESTIMATOR_SHAPES = ("triangle-up", "square", "circle", "diamond", "cross", "triangle-down")
FIRST_SLOT, LAST_SLOT = (29, 78, 216), (176, 204, 252)
WIDTH = 600
ROW, ROW_OF_ESTIMATOR = 24, 17
_DAYS_NAMED = 6
SHORT_LABEL = "length(datum.label) > 60 ? slice(datum.label, 0, 59) + '…' : datum.label"
"""What an axis or a legend writes for a name, as `short` does: to measure a long one takes Vega seconds."""


@dataclass(frozen=True)
class Mark:
    """A value drawn beside the estimates without being one: the logs' own mean, or an outside policy's."""

    label: str
    value: float
    outside: bool


def policy_values(evaluations: pa.Table, reward: Reward, marks: Sequence[Mark] = ()) -> alt.LayerChart | None:
    """Each policy's estimated value with its interval, a dot an estimator; `marks` get a row and a line each.

    `evaluations`: rows of the table of that name, of one issue. None where no value was estimated."""
    rows = _estimates(evaluations, reward, paired=False)
    if not rows:
        return None
    policies = list(dict.fromkeys(str(row["label"]) for row in rows))
    order = [*policies, *(mark.label for mark in marks)]
    title = f"{reward.name} (%)" if reward.rate else reward.name
    lines = [
        {"label": mark.label, "value": mark.value * reward.factor, "outside": mark.outside} for mark in marks
    ]
    layers = [*_mark_lines(lines, order), *_dots(rows, order, title)]
    return layered(layers, ROW_OF_ESTIMATOR * len(_estimators(rows)) * len(order))


def differences(evaluations: pa.Table, reward: Reward, margin: float = 0.0) -> alt.LayerChart | None:
    """Each paired difference (policy minus its reference) with its interval, against the gate's margin."""
    rows = _estimates(evaluations, reward, paired=True)
    if not rows:
        return None
    order = list(dict.fromkeys(str(row["label"]) for row in rows))
    title = f"difference in {reward.name}" + (" (percentage points)" if reward.rate else "")
    gate = [{"value": margin * reward.factor}]
    line = alt.Chart(inline(gate)).mark_rule(color=INK, strokeWidth=1.5).encode(x=x_axis("value", title))
    return layered([line, *_dots(rows, order, title)], ROW_OF_ESTIMATOR * len(_estimators(rows)) * len(order))


def weights_health(evaluations: pa.Table) -> alt.LayerChart | None:
    """The mean importance weight of each policy with its interval, against the 1 it is expected to be."""
    rows = [
        {
            "label": row["policy"],
            "value": row["mean_weight"],
            "lower": row["mean_weight_lower"],
            "upper": row["mean_weight_upper"],
        }
        for row in one_per_policy(evaluations)
        if finite(row["mean_weight"])
    ]
    if not rows:
        return None
    title = "mean importance weight"
    one = (
        alt.Chart(inline([{"value": 1.0}]))
        .mark_rule(color=INK, strokeWidth=1.5)
        .encode(x=x_axis("value", title))
    )
    y = y_axis("label", [str(row["label"]) for row in rows])
    base = alt.Chart(inline(rows)).encode(y=y)
    intervals = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=x_axis("lower", title), x2="upper:Q")
    dots = base.mark_point(color=BLUE, fill=BLUE, size=55, opacity=1).encode(x=x_axis("value", title))
    return layered([one, intervals, dots], ROW * len(rows))


def exposure(shares: pa.Table, top: int = 20) -> alt.LayerChart | None:
    """The arms most shown: share of slates with the arm in each slot, stacked; the line is an equal share.

    `shares`: columns arm_id, slot (1..K), share (of slates, 0..1)."""
    rows = shares.to_pylist()
    totals = exposure_totals(rows)
    if not totals:
        return None
    order = list(totals)[:top]
    shown = [
        {"label": row["arm_id"], "slot": row["slot"], "share": 100 * row["share"]}
        for row in rows
        if row["arm_id"] in set(order)
    ]
    slots = sorted({row["slot"] for row in rows})
    title = "share of slates with the arm (%)"
    bars = (
        alt.Chart(inline(shown))
        .mark_bar(height=ROW * 0.6)
        .encode(
            x=x_axis("share", title, zero=True, stack=True),
            y=y_axis("label", order),
            color=alt.Color("slot:O", scale=alt.Scale(domain=slots, range=_tints(len(slots))), title="slot"),
            order=alt.Order("slot:Q"),
        )
    )
    equal = [{"value": 100 * sum(totals.values()) / len(totals)}]
    line = alt.Chart(inline(equal)).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=x_axis("value", title))
    return layered([bars, line], ROW * len(order))


def exposure_totals(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Each arm's share of slates summed over slots, the most shown first, ties by id."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[row["arm_id"]] = totals.get(row["arm_id"], 0.0) + row["share"]
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def one_per_policy(evaluations: pa.Table) -> list[dict[str, Any]]:
    """One row a policy: the weights are the same whatever estimator uses them."""
    rows = {row["policy"]: row for row in reversed(evaluations.to_pylist()) if row["reference"] is None}
    return list(reversed(rows.values()))


def to_svg(chart: alt.LayerChart) -> str:
    """The chart as one <svg> element, text as text."""
    target = io.StringIO()
    chart.save(target, format="svg")
    return target.getvalue()


def to_png(chart: alt.LayerChart) -> bytes:
    """The chart as a PNG at twice its size, on white."""
    target = io.BytesIO()
    chart.configure(**_config("white")).save(target, format="png", scale_factor=2)
    return target.getvalue()


def _estimates(evaluations: pa.Table, reward: Reward, *, paired: bool) -> list[dict[str, object]]:
    return [
        {
            "label": f"{row['policy']} {MINUS} {row['reference']}" if paired else row["policy"],
            "estimator": row["estimator"],
            **{key: row[key] * reward.factor for key in ("value", "lower", "upper") if finite(row[key])},
        }
        for row in evaluations.to_pylist()
        if (row["reference"] is not None) == paired and finite(row["value"])
    ]


def _estimators(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The names of the estimators, in the order of the table: each has its own colour and shape."""
    return list(dict.fromkeys(str(row["estimator"]) for row in rows))


def _scale(names: Sequence[str], marks: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=names, range=list(islice(cycle(marks), len(names))))


def _dots(rows: Sequence[Mapping[str, object]], order: Sequence[str], title: str) -> list[alt.Chart]:
    names = _estimators(rows)
    color = alt.Color("estimator:N", scale=_scale(names, ESTIMATOR_COLOURS), title="estimator")
    shape = alt.Shape("estimator:N", scale=_scale(names, ESTIMATOR_SHAPES), title="estimator")
    offset = alt.YOffset("estimator:N", scale=alt.Scale(domain=names, paddingOuter=0.8))
    known = [row for row in rows if "lower" in row and "upper" in row]
    base, bars = (
        alt.Chart(inline(of)).encode(y=y_axis("label", order), yOffset=offset, color=color)
        for of in (rows, known)
    )
    intervals = bars.mark_rule(strokeWidth=2).encode(x=x_axis("lower", title), x2="upper:Q")
    dots = base.mark_point(filled=True, size=75, opacity=1).encode(x=x_axis("value", title), shape=shape)
    return [intervals, dots]


def _mark_lines(lines: Sequence[Mapping[str, object]], order: Sequence[str]) -> list[alt.Chart]:
    """A dashed line over the whole height and a diamond in the mark's own row."""
    if not lines:
        return []
    color = alt.condition("datum.outside", alt.value(PURPLE), alt.value(INK))
    base = alt.Chart(inline(lines)).encode(color=color)
    rules = base.mark_rule(strokeDash=[3, 3], opacity=0.6).encode(x="value:Q")
    points = base.mark_point(filled=True, shape="diamond", size=90, opacity=1)
    return [rules, points.encode(x="value:Q", y=y_axis("label", order))]


def layered(
    layers: Sequence[alt.Chart | alt.LayerChart | alt.FacetChart], height: int, *, apart: bool = False
) -> alt.LayerChart:
    """The layers as one chart; apart: with colours and shapes of each layer's own."""
    chart = alt.layer(*layers).properties(width=WIDTH, height=height)
    if apart:
        chart = chart.resolve_scale(color="independent", shape="independent")
    configured: alt.LayerChart = chart.configure(**_config("transparent"))
    return configured


def _config(background: str) -> dict[str, Any]:
    text = {"labelColor": INK, "titleColor": MUTED, "titleFontWeight": "normal"}
    return {
        "background": background,
        "padding": {"left": 40, "right": 12, "top": 4, "bottom": 4},  # a reader's font may be wider than ours
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": {
            **text,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "gridColor": GRID,
            "domain": False,
            "ticks": False,
            "labelPadding": 8,
            "titlePadding": 10,
        },
        "legend": {
            **text,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "orient": "top",
            "direction": "horizontal",
        },
    }


def x_axis(field: str, title: str, *, zero: bool = False, stack: bool | None = None) -> alt.X:
    return alt.X(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(zero=zero, nice=True),
        stack=stack,
        axis=alt.Axis(tickCount=6),
    )


def y_axis(field: str, order: Sequence[str]) -> alt.Y:
    return alt.Y(
        f"{field}:N",
        title=None,
        scale=alt.Scale(domain=list(order)),
        axis=alt.Axis(grid=False, labelLimit=260, labelExpr=SHORT_LABEL),
    )


def days_axis(field: str, times: Sequence[int], title: str | None = None) -> alt.X:
    """Of days as `time_of` has them; of few each is named, of many every so-manieth."""
    every = math.ceil(len(times) / _DAYS_NAMED) or 1
    return alt.X(
        f"{field}:T",
        title=title,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(values=list(times[::every]), format="%-d %b %Y", grid=False, labelOverlap=True),
    )


def time_of(day: date) -> int:
    """Milliseconds since 1970, which no time zone of a renderer moves."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def inline(rows: Sequence[Mapping[str, object]]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _tints(slots: int) -> list[str]:
    """From strong to pale: the first slot is the one people see first."""
    steps = [slot / max(1, slots - 1) for slot in range(slots)]
    mixed = [[round(a + (b - a) * t) for a, b in zip(FIRST_SLOT, LAST_SLOT, strict=True)] for t in steps]
    return ["#{:02x}{:02x}{:02x}".format(*channels) for channels in mixed]

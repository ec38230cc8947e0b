"""The charts of sequences of decisions, in colours that can be told apart on light and on dark pages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import altair as alt

from nightslate.reports.numbers import finite
from nightslate.reports.plots import (
    BLUE,
    ESTIMATOR_COLOURS,
    ESTIMATOR_SHAPES,
    GREEN,
    INK,
    MUTED,
    ROW,
    SHORT_LABEL,
    inline,
    layered,
)

if TYPE_CHECKING:  # its figures need scikit-learn and fitted models, and charts of rows do not
    from nightslate.reports.sequence import SequenceFigures

ALTERNATIVES = {
    "value_by_epsilon": "Estimated value of a sequence with its interval, by epsilon, against the value of"
    " the logged policy.",
    "states_by_value": "Map of customer states, coloured by the value of the best arm in each. The table"
    " above holds its means by segment.",
    "states_by_action": "Map of customer states, coloured by the arm that is recommended in each. The table"
    " above holds the recommendations by segment.",
    "convergence": "Change of Q by iteration on a logarithmic scale, against the tolerance of the fit.",
    "importance": "Importance of each feature for the values, the most important first.",
    "ess_by_step": "Effective number of sequences that the estimate is worth, up to each step.",
}
"""What each of the charts says to those who do not see it."""

SHADES = ("#3b6fd1", "#6f74c9", "#9a78bd", "#c07ca6", "#dd8581", "#ee9a4d")
"""From a low value to a high one; none of them is lost on white or on black."""

_HEIGHT, _HALF, _MAP = 260, 366, 340
_TOP_ARMS, _TOP_FEATURES = len(ESTIMATOR_COLOURS), 15
_OTHERS = "other arms"

Row = Mapping[str, Any]


def charts(figures: SequenceFigures, reward: str) -> dict[str, alt.LayerChart | None]:
    """Every chart by its name; None where there is nothing to draw."""
    return {
        "value_by_epsilon": value_by_epsilon(figures.sweep, reward=reward, logged=figures.logged),
        "states_by_value": states_by_value(figures.states, reward),
        "states_by_action": states_by_action(figures.states),
        "convergence": convergence(figures.curve, figures.tolerance),
        "importance": importance(figures.importance),
        "ess_by_step": ess_by_step(figures.ess_by_step),
    }


def value_by_epsilon(
    rows: Sequence[Row],
    truth: Mapping[float, float] | None = None,
    reward: str = "value of a sequence",
    logged: float | None = None,
) -> alt.LayerChart | None:
    """What a learner's Q is worth when it is played epsilon-greedily, with intervals, by epsilon.

    `rows`: epsilon, value, lower, upper, as in the table sweeps, of one learner and estimator. `truth`: the
    true value by epsilon, where a world tells. `logged`: the value of the policy that wrote the logs, a
    dashed line. `reward`: the title of the axis. None where no value was estimated."""
    estimates = [
        {"what": "estimate", **{key: row[key] for key in ("epsilon", "value", "lower", "upper")}}
        for row in rows
        if all(finite(row[key]) for key in ("value", "lower", "upper"))
    ]
    if not estimates:
        return None
    truths = [{"what": "truth", "epsilon": e, "value": v} for e, v in sorted((truth or {}).items())]
    axis = alt.Axis(grid=False, tickCount=7, labelFlush=False)
    x = alt.X("epsilon:Q", title="epsilon: share of decisions for another arm than the best", axis=axis)
    y = alt.Y("value:Q", title=reward, scale=alt.Scale(zero=False))
    names = ["estimate", "truth"] if truths else ["estimate"]
    color, shape = _told_apart("what", names, (BLUE, GREEN), ("circle", "diamond"))
    lines = alt.Chart(inline([*estimates, *truths])).encode(x=x, y=y, color=color)
    intervals = alt.Chart(inline(estimates)).mark_rule(color=BLUE, strokeWidth=2)
    layers = [
        intervals.encode(x=x, y=alt.Y("lower:Q", title=reward), y2="upper:Q"),
        lines.mark_line(strokeWidth=1.5, opacity=0.6),
        lines.mark_point(filled=True, size=80, opacity=1).encode(shape=shape),
        *([] if logged is None else _threshold(logged, "logged policy")),
    ]
    return layered(layers, _HEIGHT)


def states_by_value(states: Sequence[Row], reward: str) -> alt.LayerChart | None:
    """The map of states, coloured by what the best arm is worth in each."""
    if not states:
        return None
    legend = alt.Legend(format=".3r")
    scale = alt.Scale(type="quantize", range=list(SHADES))
    return _map(states, alt.Color("value:Q", title=reward, scale=scale, legend=legend))


def states_by_action(states: Sequence[Row]) -> alt.LayerChart | None:
    """The map of states, coloured by the arm that is recommended in each. Where there are more arms than
    colours, those recommended less often share one."""
    if not states:
        return None
    often: Counter[str] = Counter()
    for row in states:
        often[row["action"]] += row["decisions"]
    ranked = sorted(often, key=lambda arm: (-often[arm], arm))
    named = sorted(ranked if len(ranked) <= _TOP_ARMS else ranked[: _TOP_ARMS - 1])
    rows = [{**row, "action": row["action"] if row["action"] in named else _OTHERS} for row in states]
    names = [*named, *([_OTHERS] if len(named) < len(ranked) else [])]
    color, shape = _told_apart("action", names, ESTIMATOR_COLOURS, ESTIMATOR_SHAPES, "recommended")
    return _map(rows, color, shape)


def convergence(curve: Sequence[float], tolerance: float) -> alt.LayerChart | None:
    """How far the targets of the regression moved, iteration by iteration, against the tolerance. Not at all,
    which no logarithm has, stands on the bottom line as a hollow dot."""
    known = [change for change in curve if finite(change)]
    positive = [change for change in (*known, tolerance) if change > 0]
    if not known or not positive:
        return None
    bottom = min(positive) / 10
    rows = [
        {"iteration": number, "change": max(change, bottom), "none": change <= 0}
        for number, change in enumerate(known, start=1)
    ]
    numbers = list(range(1, len(known) + 1, math.ceil(len(known) / 10)))
    x = alt.X(
        "iteration:Q",
        title="iteration",
        axis=alt.Axis(values=numbers, format="d", grid=False),
        scale=alt.Scale(zero=False, nice=False),
    )
    axis = alt.Axis(format="~g", values=[10.0**power for power in range(-15, 16)])
    y = alt.Y("change:Q", title="change of the targets", scale=alt.Scale(type="log"), axis=axis)
    base = alt.Chart(inline(rows)).encode(x=x, y=y)
    points = base.mark_point(color=BLUE, fill=BLUE, size=45, opacity=1)
    layers = [
        base.mark_line(color=BLUE, strokeWidth=2),
        points.encode(fillOpacity=alt.condition("datum.none", alt.value(0), alt.value(1))),
        *(_threshold(tolerance, "tolerance", "change") if tolerance > 0 else []),
    ]
    return layered(layers, _HEIGHT).properties(width=_HALF - 60)


def importance(by_feature: Mapping[str, float]) -> alt.LayerChart | None:
    """How much the values go by each feature, the most important first."""
    ranked = sorted(by_feature.items(), key=lambda item: (-item[1], item[0]))
    rows = [{"feature": name, "importance": value} for name, value in islice(ranked, _TOP_FEATURES)]
    if not rows:
        return None
    y = alt.Y("feature:N", title=None, sort=None, axis=alt.Axis(grid=False, labelLimit=180))
    x = alt.X("importance:Q", title="change of Q, in its standard deviations", axis=alt.Axis(tickCount=5))
    bars = alt.Chart(inline(rows)).mark_bar(color=BLUE, height=ROW * 0.55).encode(x=x, y=y)
    return layered([bars], ROW * len(rows)).properties(width=_HALF - 100)


def ess_by_step(sizes: Sequence[float]) -> alt.LayerChart | None:
    """How many equally weighted sequences the estimate is worth up to each step."""
    rows = [{"step": step, "size": size} for step, size in enumerate(sizes, start=1) if finite(size)]
    if not rows:
        return None
    y = alt.Y("step:O", title="step", axis=alt.Axis(grid=False))
    x = alt.X("size:Q", title="effective sequences", axis=alt.Axis(tickCount=5))
    bars = alt.Chart(inline(rows)).mark_bar(color=BLUE, height=ROW * 0.55).encode(x=x, y=y)
    return layered([bars], ROW * len(rows))


def _map(states: Sequence[Row], color: alt.Color, shape: alt.Shape | None = None) -> alt.LayerChart:
    """Where states stand says nothing but which are alike, so there are no axes."""
    size = alt.Size("decisions:Q", scale=alt.Scale(range=[32, 240]), legend=None)
    points = alt.Chart(inline(states)).mark_point(filled=True, opacity=0.8, aria=False)
    points = points.encode(x=alt.X("x:Q", axis=None), y=alt.Y("y:Q", axis=None), size=size, color=color)
    chart = layered([points if shape is None else points.encode(shape=shape)], _MAP)
    return chart.properties(width=_HALF)


def _told_apart(
    field: str, names: Sequence[str], colours: Sequence[str], shapes: Sequence[str], title: str | None = None
) -> tuple[alt.Color, alt.Shape]:
    """A colour and a shape for each name, grey for all others; a legend where one has to be told."""
    legend = alt.Legend(columnPadding=16, labelExpr=SHORT_LABEL) if title or len(names) > 1 else None
    shades = [MUTED if name == _OTHERS else colour for name, colour in zip(names, colours, strict=False)]
    color = alt.Scale(domain=names, range=shades)
    shape = alt.Scale(domain=names, range=list(islice(shapes, len(names))))
    return (
        alt.Color(f"{field}:N", title=title, scale=color, legend=legend),
        alt.Shape(f"{field}:N", title=title, scale=shape, legend=legend),
    )


def _threshold(value: float, name: str, field: str = "value") -> list[alt.Chart]:
    """A dashed line over the whole width, with its name."""
    base = alt.Chart(inline([{field: value, "name": name}])).encode(y=f"{field}:Q")
    text = base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color=MUTED, fontSize=12)
    return [base.mark_rule(color=INK, strokeDash=[4, 3]), text.encode(x=alt.value(0), text="name:N")]

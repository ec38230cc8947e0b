"""What drives the champion's choices, and what arms earn: what the page says, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from nightslate.reports.document import Figure, figure
from nightslate.reports.numbers import Reward, finite, percent, signed, significant
from nightslate.reports.plots import BLUE, INK, ROW, inline, layered, x_axis, y_axis

_MOST_ARMS = 40
"""Those most shown; a table of more is no table."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A user, its top arm, how far that one leads, and what the lead is made of."""

    user: str
    arm: str
    lead: str
    parts: list[tuple[str, str]]


@dataclass(frozen=True)
class InsightsTold:
    """What the page says of a champion; effects, importances and examples are none of one that has no
    coefficients. arms: those most shown, with `response`, `naive_response`, `exploration` and `best`, each a
    row of the table `insights` or None; left_out: how many more there are."""

    learner: str
    unit: str
    effects: list[Row]
    importances: list[Row]
    arms: list[dict[str, Any]]
    left_out: int
    examples: list[Example]
    effects_chart: Figure | None
    importances_chart: Figure | None

    def effect(self, value: float | None) -> str:
        """An effect, with its sign."""
        return signed(significant(value))


def insights_told(insights: pa.Table, reward: Reward, log_odds: bool) -> InsightsTold | None:
    """Of rows of the table `insights` of one night and issue; None where there are none. log_odds: whether
    effects are on that scale."""
    rows = insights.sort_by("place").to_pylist()
    if not rows:
        return None
    of = {name: [row for row in rows if row["figure"] == name] for name in {row["figure"] for row in rows}}
    effects, importances = of.get("effect", []), of.get("importance", [])
    arms = _arms(of)
    unit = "log-odds" if log_odds else reward.name
    return InsightsTold(
        learner=rows[0]["learner"],
        unit=unit,
        effects=effects,
        importances=[{**row, "share": _of_loss(row, "value"), **_ends_of_loss(row)} for row in importances],
        arms=arms[:_MOST_ARMS],
        left_out=max(0, len(arms) - _MOST_ARMS),
        examples=_examples(of.get("lead", []), of.get("contribution", [])),
        effects_chart=figure(
            _dots(effects, f"effect on {unit}", 1.0),
            "The largest effects with their intervals, against 0. The table below holds the same numbers.",
        ),
        importances_chart=figure(
            _dots(importances, "growth of the squared error (%)", 100.0, "reference"),
            "How much the squared error grows where a feature is shuffled, with its interval, against 0. The"
            " table below holds the same numbers.",
        ),
    )


def _arms(of: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """By arm what is known of it, those most shown first."""
    figures = ("response", "naive_response", "exploration", "best")
    found = {name: {row["arm_id"]: row for row in of.get(name, ())} for name in figures}
    ids = dict.fromkeys(arm for by_arm in found.values() for arm in by_arm)
    arms = [{"arm": arm, **{name: by_arm.get(arm) for name, by_arm in found.items()}} for arm in ids]
    return sorted(arms, key=lambda row: (-(row["naive_response"] or {"n": 0})["n"], row["arm"]))


def _examples(leads: Sequence[Row], parts: Sequence[Row]) -> list[Example]:
    def said(value: float) -> str:
        return signed(significant(value))

    return [
        Example(
            lead["user_id"],
            lead["arm_id"],
            said(lead["value"]),
            [(row["about"], said(row["value"])) for row in parts if row["user_id"] == lead["user_id"]],
        )
        for lead in leads
    ]


def _of_loss(row: Row, name: str) -> str:
    return percent(row[name] / row["reference"]) if row["reference"] and finite(row[name]) else percent(None)


def _ends_of_loss(row: Row) -> dict[str, str]:
    return {f"share_{end}": _of_loss(row, end) for end in ("lower", "upper")}


def _dots(rows: Sequence[Row], title: str, factor: float, over: str | None = None) -> alt.LayerChart | None:
    """Each row's value with its interval, in the order that they have; as shares of another column of theirs,
    if one is given."""
    shown = [row for row in rows if over is None or row[over]]
    if not shown:
        return None
    points = [
        {"label": row["about"], **{n: row[n] * factor / (row[over] if over else 1.0) for n in _known(row)}}
        for row in shown
    ]
    y = y_axis("label", [str(row["label"]) for row in points])
    base = alt.Chart(inline(points)).encode(y=y)
    between = alt.Chart(inline([row for row in points if "lower" in row])).encode(y=y)
    return layered(
        [
            alt.Chart(inline([{"value": 0.0}])).mark_rule(color=INK).encode(x=x_axis("value", title)),
            between.mark_rule(color=BLUE, strokeWidth=2).encode(x=x_axis("lower", title), x2="upper:Q"),
            base.mark_point(color=BLUE, fill=BLUE, size=55, opacity=1).encode(x=x_axis("value", title)),
        ],
        ROW * len(points),
    )


def _known(row: Row) -> list[str]:
    return [name for name in ("value", "lower", "upper") if finite(row[name])]

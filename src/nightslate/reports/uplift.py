"""Whom the champion's help helps, and what it buys: what the page says, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from nightslate.reports import estimands
from nightslate.reports.document import Figure, figure
from nightslate.reports.numbers import Reward, finite, significant
from nightslate.reports.plots import AMBER, BLUE, INK, inline, layered

_HEIGHT = 220

Row = Mapping[str, Any]


@dataclass(frozen=True)
class HelpJudged:
    """What the page says about the uplift of one learner; its rows are those of the table `uplift`."""

    learner: str
    about: str
    mean: Row
    autoc: Row
    qini: Row
    deciles: list[Row]
    curve: list[Row]
    deciles_chart: Figure | None
    curve_chart: Figure | None

    @property
    def in_words(self) -> str:
        """What AUTOC says of the predictions."""
        lower, upper = self.autoc["lower"], self.autoc["upper"]
        if lower is not None and lower > 0:
            return "those of whom more is expected do gain more by help"
        if upper is not None and upper < 0:
            return "those of whom more is expected gain less by help"
        return "nothing tells yet whether those of whom more is expected gain more by help"


def help_judged(uplift: pa.Table, learner: str, reward: Reward) -> HelpJudged | None:
    """Of a learner of one night; None where nothing is known of it."""
    rows = [row for row in uplift.to_pylist() if row["learner"] == learner]
    of = {name: _in_order(rows, name) for name in ("mean", "autoc", "qini", "decile", "cost_curve")}
    if not of["mean"]:
        return None
    deciles, curve = of["decile"], of["cost_curve"]
    return HelpJudged(
        learner=learner,
        about=estimands.days(rows[0]),
        mean=of["mean"][0],
        autoc=of["autoc"][0],
        qini=of["qini"][0],
        deciles=deciles,
        curve=curve,
        deciles_chart=figure(
            decile_effects(deciles, reward),
            "The effect of help by tenths of predicted gain, the highest first: "
            + ", ".join(reward.difference(row["value"]) for row in deciles)
            + ".",
        ),
        curve_chart=figure(
            costs_and_gains(curve, reward),
            "What an impression gains for what is spent on help: "
            + ", ".join(f"{significant(row['value'])} for {significant(row['spent'])}" for row in curve)
            + ".",
        ),
    )


def decile_effects(deciles: Sequence[Row], reward: Reward) -> alt.LayerChart | None:
    """The effect of help in each tenth of predicted gain with its interval, against 0."""
    if not deciles:
        return None
    rows = [{"tenth": round(10 * row["at"]), **_ends(row, reward)} for row in deciles]
    x = alt.X(
        "tenth:O", title="tenth of predicted gain, the highest first", axis=alt.Axis(labelAngle=0, grid=False)
    )
    title = f"effect of help on {reward.name}" + (" (pp)" if reward.rate else "")
    base = alt.Chart(inline(rows)).encode(x=x)
    known = alt.Chart(inline([row for row in rows if "lower" in row])).encode(x=x)
    return layered(
        [
            alt.Chart(inline([{"value": 0.0}])).mark_rule(color=INK).encode(y="value:Q"),
            known.mark_rule(color=BLUE, strokeWidth=2).encode(y=_y("lower", title), y2="upper:Q"),
            base.mark_point(color=BLUE, fill=BLUE, size=60, opacity=1).encode(y=_y("value", title)),
        ],
        _HEIGHT,
    )


def costs_and_gains(curve: Sequence[Row], reward: Reward) -> alt.LayerChart | None:
    """What is gained for what is spent, with its interval; dashed: what the same money gains if users are
    helped in any order; dotted: what pays for itself."""
    if not curve:
        return None
    nothing = {"spent": 0.0, "value": 0.0, "lower": 0.0, "upper": 0.0}
    rows = [nothing, *({"spent": row["spent"], **_ends(row, reward)} for row in curve)]
    x = alt.X("spent:Q", title="spent an impression", axis=alt.Axis(tickCount=6))
    title = f"gain in {reward.name}, before costs"
    ends = alt.Chart(inline([nothing, rows[-1]])).encode(x=x, y=_y("value", title))
    even = [{"spent": each, "value": each} for each in (0.0, curve[-1]["spent"])]
    base = alt.Chart(inline(rows)).encode(x=x)
    return layered(
        [
            base.mark_area(color=BLUE, opacity=0.18).encode(y=_y("lower", title), y2="upper:Q"),
            ends.mark_line(color=INK, strokeDash=[5, 3], strokeWidth=1.5),
            alt.Chart(inline(even))
            .mark_line(color=AMBER, strokeDash=[2, 3], strokeWidth=1.5)
            .encode(x=x, y=_y("value", title)),
            base.mark_line(color=BLUE, strokeWidth=2).encode(y=_y("value", title)),
        ],
        _HEIGHT,
    )


def _in_order(rows: Sequence[Row], name: str) -> list[Row]:
    return sorted((row for row in rows if row["figure"] == name), key=lambda row: float(row["at"]))


def _ends(row: Row, reward: Reward) -> dict[str, float]:
    return {name: row[name] * reward.factor for name in ("value", "lower", "upper") if finite(row[name])}


def _y(name: str, title: str) -> alt.Y:
    return alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=True, nice=True))

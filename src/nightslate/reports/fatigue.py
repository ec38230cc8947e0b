"""How users respond to being shown the same arm again: what the page says, and its chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from nightslate.reports.document import Figure, figure
from nightslate.reports.numbers import MISSING, Reward, finite
from nightslate.reports.plots import ESTIMATOR_COLOURS, inline, layered

_RATE = Reward("responses", rate=True)
_HEIGHT = 200

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Showing:
    """One number of showings of one variant, in words."""

    variant: str
    showing: str
    users: int
    rate: str
    rate_interval: str
    first: str
    change: str
    change_interval: str


@dataclass(frozen=True)
class Fatigue:
    """What the page says; its rows are those of the table `fatigue`."""

    showings: list[Showing]
    chart: Figure | None


def fatigue_told(fatigue: pa.Table) -> Fatigue | None:
    """Of one issue and night; None where nothing is known."""
    rows = fatigue.sort_by([("variant", "ascending"), ("showing", "ascending")]).to_pylist()
    if not rows:
        return None
    showings = [
        Showing(
            variant=row["variant"],
            showing=f"{row['showing']}{' and later' if row['and_later'] else ''}",
            users=row["users"],
            rate=_RATE.value(row["rate"]),
            rate_interval=_RATE.interval(row["lower"], row["upper"]),
            first=_RATE.value(row["first_rate"]),
            change=_RATE.difference(row["change"]) if row["showing"] > 1 else MISSING,
            change_interval=_RATE.difference_interval(row["change_lower"], row["change_upper"]),
        )
        for row in rows
    ]
    alternative = "; ".join(f"{each.variant}, showing {each.showing}: {each.rate}" for each in showings)
    return Fatigue(showings, figure(responses_by_showing(rows), f"The share of responses: {alternative}."))


def responses_by_showing(rows: Sequence[Row]) -> alt.LayerChart | None:
    """The share of showings that were responded to, a line a variant where it has an interval of every look;
    of fewer users dots alone, which are hollow."""
    drawn = [
        {
            "variant": row["variant"],
            "showing": row["showing"],
            **{
                name: row[column] * _RATE.factor
                for name, column in (("value", "rate"), ("lower", "lower"), ("upper", "upper"))
                if finite(row[column])
            },
        }
        for row in rows
        if finite(row["rate"])
    ]
    if not drawn:
        return None
    variants = sorted({str(row["variant"]) for row in drawn})
    colours = [ESTIMATOR_COLOURS[place % len(ESTIMATOR_COLOURS)] for place in range(len(variants))]
    x = alt.X("showing:O", title="showing of the same arm", axis=alt.Axis(labelAngle=0, grid=False))
    color = alt.Color("variant:N", scale=alt.Scale(domain=variants, range=colours), title="variant")
    of_many, of_few = (
        alt.Chart(inline([row for row in drawn if ("lower" in row) == many])).encode(x=x, color=color)
        for many in (True, False)
    )
    return layered(
        [
            of_many.mark_rule(strokeWidth=2).encode(y=_y("lower"), y2="upper:Q"),
            of_many.mark_line(strokeWidth=2).encode(y=_y("value")),
            of_many.mark_point(filled=True, size=60, opacity=1).encode(y=_y("value")),
            of_few.mark_point(filled=False, size=40, opacity=1).encode(y=_y("value")),
        ],
        _HEIGHT,
    )


def _y(name: str) -> alt.Y:
    return alt.Y(f"{name}:Q", title="responses (%)", scale=alt.Scale(zero=True, nice=True))

"""Who is treated, day by day, with incidents; and effects with their bands beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import altair as alt

from nightslate.reports.numbers import finite
from nightslate.reports.plots import AMBER, BLUE, GREEN, MUTED, RED, inline, layered
from nightslate.worlds.charts import HEIGHT, numbered
from nightslate.worlds.results import Row

_GROUPS = {"treated_at_risk": "users at risk", "treated_others": "others"}
_LINE = 16


def shares(days: Sequence[Row], incidents: Sequence[Row], first_day: date) -> alt.LayerChart | None:
    """The share of users who are treated by day, of those at risk and of others. incidents: as of
    `RolloutResults.reactions`, each a band with its region and severity."""
    rows = [
        {"day": number, "who": name, "share": 100 * row[group]}
        for number, row in enumerate(days, start=1)
        for group, name in _GROUPS.items()
        if finite(row[group])
    ]
    if not rows:
        return None
    scale = alt.Scale(domain=list(_GROUPS.values()), range=[RED, BLUE])
    y = alt.Y("share:Q", title="treated (%)", scale=alt.Scale(domain=[0, 100]))
    colour = alt.Color("who:N", scale=scale, title=None)
    lines = alt.Chart(inline(rows)).mark_line(strokeWidth=2.5).encode(numbered("day"), y=y, color=colour)
    return layered([*_incidents(incidents, first_day, len(days)), lines], HEIGHT)


def effects(rows: Sequence[Row], metric: str) -> alt.LayerChart | None:
    """The effect of each night with the interval for one look, that for every look, and the truth."""
    known = [
        {"day": number, **row}
        for number, row in enumerate(rows, start=1)
        if all(finite(row[name]) for name in ("effect", "lower", "upper", "truth"))
    ]
    if not known:
        return None
    y = alt.Y("lower:Q", title=f"effect on {metric} of a user")
    of_one_look = alt.Chart(inline(known)).mark_area(color=BLUE, opacity=0.3)
    layers = [of_one_look.encode(numbered("readout"), y=y, y2="upper:Q")]
    at_every_look = [row for row in known if finite(row["anytime_lower"])]
    if at_every_look:
        band = alt.Chart(inline(at_every_look)).mark_area(color=BLUE, opacity=0.15)
        layers.insert(0, band.encode(numbered("readout"), y=alt.Y("anytime_lower:Q"), y2="anytime_upper:Q"))
    lines = {"effect": ("as read out", BLUE), "truth": ("truth", GREEN)}
    scale = alt.Scale(domain=[name for name, _ in lines.values()], range=[each for _, each in lines.values()])
    points = [
        {"day": row["day"], "what": name, "value": row[column]}
        for row in known
        for column, (name, _) in lines.items()
    ]
    colour = alt.Color("what:N", scale=scale, title=None)
    drawn = alt.Chart(inline(points)).mark_line(strokeWidth=2.5, point=True)
    nothing = alt.Chart(inline([{"value": 0}])).mark_rule(color=MUTED, strokeDash=[4, 3])
    layers += [nothing.encode(y="value:Q"), drawn.encode(numbered("readout"), y="value:Q", color=colour)]
    return layered(layers, HEIGHT)


def _incidents(incidents: Sequence[Row], first_day: date, days: int) -> list[alt.Chart]:
    """A band for each, as far as days were played."""
    rows = [
        {
            "day": (date.fromisoformat(each["begins"]) - first_day).days + 1,
            "until": min((date.fromisoformat(each["ends"]) - first_day).days + 1, days),
            "what": f"{each['region']}, {each['severity']:g}",
            "place": 4 + _LINE * (number % 3),
        }
        for number, each in enumerate(incidents)
    ]
    if not rows:
        return []
    bands = (
        alt.Chart(inline(rows)).mark_rect(color=AMBER, opacity=0.2).encode(x=numbered("day"), x2="until:Q")
    )
    names = [
        alt.Chart(inline([row]))
        .mark_text(align="left", dx=4, baseline="top", color=MUTED, fontSize=12)
        .encode(x=numbered("day"), y=alt.value(row["place"]), text="what:N")
        for row in rows
    ]
    return [bands, *names]

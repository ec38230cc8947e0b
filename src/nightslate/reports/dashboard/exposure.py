"""How much of the slates each arm has, night by night."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import OTHERS, coloured_by, figure, night, rows, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker

MOST_ARMS = 11
"""Of an issue, those most shown over all nights; the others are one."""


def _section(report: DashboardReport) -> Section:
    chart = (
        rows()
        .mark_area(opacity=0.85, line=True)
        .encode(
            x=night(),
            y=figure("percent", zero=True, stack=True).impute(value=0),
            color=coloured_by("arm"),
            tooltip=[told("night", "day"), told("arm", "arm"), told("percent", "percent", "Q")],
        )
    )
    return Section(
        name="exposure",
        title="What is shown",
        about="The share of all places in the slates of a night that each arm has. These slates are for the"
        " day after the night. Nights from before this was kept have no figures.",
        rows=_shares(report.rows["exposures"]),
        charts=[
            Chart(
                "Share of places, in percent",
                chart,
                "The share of places in slates that each arm has over nights, stacked. The table below has"
                " the newest night.",
                by="arm",
            )
        ],
        columns=[Column("arm", "arm", "text"), Column("share", "share of places", "share")],
        picks=[Pick("arm", "arms")],
    )


def _shares(exposures: pa.Table) -> pa.Table:
    """By issue and night the arms most shown over all nights, in that order, and the others."""
    totals = exposures.group_by(["issue", "arm_id"]).aggregate([("shown", "sum")])
    ranked = totals.sort_by([("issue", "ascending"), ("shown_sum", "descending"), ("arm_id", "ascending")])
    place = pa.array(_places(ranked["issue"].to_pylist()), pa.int64())
    named = ranked.select(["issue", "arm_id"]).append_column("place", place)
    named = named.append_column("arm", pc.if_else(pc.less(place, MOST_ARMS), ranked["arm_id"], OTHERS))
    days = pc.subtract(exposures["slate_date"].cast(pa.timestamp("s")), pa.scalar(timedelta(days=1)))
    rows = exposures.append_column("day", days.cast(pa.date32())).join(named, ["issue", "arm_id"])
    shown = rows.group_by(["issue", "day", "arm"]).aggregate([("shown", "sum"), ("place", "min")])
    places = rows.group_by(["issue", "day"]).aggregate([("shown", "sum")])
    joined = shown.join(places, ["issue", "day"], right_suffix="_of_all")
    joined = joined.sort_by([(name, "ascending") for name in ("issue", "day", "place_min")])
    share = pc.divide(joined["shown_sum"].cast(pa.float64()), joined["shown_sum_of_all"])
    found = joined.select(["issue", "day", "arm"]).append_column("share", share)
    return found.append_column("percent", pc.multiply(share, 100.0))


def _places(issues: list[str]) -> list[int]:
    """Of rows in the order of issues, the place of each among those of its issue, from 0, no lower than the
    first of the others."""
    first = {issue: at for at, issue in reversed([*enumerate(issues)])}
    return [min(at - first[issue], MOST_ARMS) for at, issue in enumerate(issues)]


EXPOSURE = SectionMaker({"exposures": ("issue", "arm_id", "shown", "slate_date")}, _section)

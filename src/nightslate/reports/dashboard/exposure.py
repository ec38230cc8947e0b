"""How much of the slates each arm has, night by night."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import coloured_by, figure, night, rows, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker

MOST_ARMS = 11
"""Of an issue, those most shown over all nights; the others are one."""

OTHERS = "all other arms"

_BY = ["issue", "day", "arm"]


def _section(report: DashboardReport) -> Section:
    chart = (
        rows()
        .mark_area(opacity=0.85, line=True)
        .encode(
            x=night(),
            y=figure("percent", zero=True, stack=True),
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
    """By issue, night and arm, of the arms most shown and the others."""
    named = exposures.append_column("arm", pa.array(_names(exposures), pa.string()))
    days = pc.subtract(exposures["slate_date"].cast(pa.timestamp("s")), pa.scalar(timedelta(days=1)))
    named = named.append_column("day", days.cast(pa.date32()))
    shown = named.group_by(_BY).aggregate([("shown", "sum")])
    places = named.group_by(["issue", "day"]).aggregate([("shown", "sum")])
    joined = shown.join(places, ["issue", "day"], right_suffix="_of_all")
    share = pc.divide(joined["shown_sum"].cast(pa.float64()), joined["shown_sum_of_all"])
    found = joined.select(_BY).append_column("share", share)
    found = found.append_column("percent", pc.multiply(share, 100.0))
    return found.sort_by([("issue", "ascending"), ("day", "ascending"), ("share", "descending")])


def _names(exposures: pa.Table) -> list[str]:
    """What each row's arm is called in the chart."""
    totals = exposures.group_by(["issue", "arm_id"]).aggregate([("shown", "sum")])
    ranked = totals.sort_by([("shown_sum", "descending"), ("arm_id", "ascending")]).to_pylist()
    most: dict[str, set[str]] = {}
    for row in ranked:
        arms = most.setdefault(row["issue"], set())
        if len(arms) < MOST_ARMS:
            arms.add(row["arm_id"])
    pairs = zip(exposures["issue"].to_pylist(), exposures["arm_id"].to_pylist(), strict=True)
    return [arm if arm in most[issue] else OTHERS for issue, arm in pairs]


EXPOSURE = SectionMaker({"exposures": ("issue", "arm_id", "shown", "slate_date")}, _section)

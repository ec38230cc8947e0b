"""Which nights there are, what each wrote and how long it took."""

from __future__ import annotations

import altair as alt

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import COLOURS, colour, figure, night, rows, told
from nightslate.reports.dashboard.section import Chart, Column, Section, SectionMaker, Tile


def _section(report: DashboardReport) -> Section:
    steps, written = [*report.moments], report.publishes
    counted = "slates" if written == "slates" else "assignments"
    scale = alt.Scale(domain=steps, range=[colour(name) for name in COLOURS])
    chart = (
        rows()
        .transform_fold([*steps], ["step", "took"])
        .transform_calculate(minutes="datum.took / 60", order=f"indexof({steps}, datum.step)")
        .mark_bar(width={"band": 0.8})
        .encode(
            x=night("utcyearmonthdate(at)"),
            y=figure("minutes", zero=True, stack=True),
            color=alt.Color("step:N", scale=scale, title=None),
            order=alt.Order("order:Q"),
            tooltip=[told("night", "day"), told("until", "step"), told("minutes", "minutes", "Q")],
        )
    )
    return Section(
        name="nights",
        title="Nights",
        about="What each night wrote, and how long it took from when its logs began to be ingested until its"
        f" {written} were out, waits between steps included. Steps that {written} do not wait for are not in"
        " it. A night has no time where it was ingested again and not published since, or where the log of"
        " its tables does not go back to it.",
        rows=report.nights,
        charts=[
            Chart(
                f"Minutes until {written} were out",
                chart,
                f"The minutes that each night took until its {written} were out, by step. The table below has"
                " all nights.",
                by=None,
            )
        ],
        columns=[
            Column("day", "night", "night"),
            Column("impressions", "impressions", "count"),
            Column("outcomes", "outcomes", "count"),
            Column("quarantine", "turned away", "count"),
            Column("slates", counted, "count"),
            Column("seconds", "took", "seconds"),
        ],
        newest=False,
        tiles=[Tile(counted, "slates", "count", {}), Tile("the night took", "seconds", "seconds", {})],
    )


NIGHTS = SectionMaker({}, _section)

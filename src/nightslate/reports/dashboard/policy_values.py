"""What each policy is worth, night by night."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.estimates import ESTIMATES, estimates_of_nights
from nightslate.reports.dashboard.outside_policies import REFERENCES, outside_policies
from nightslate.reports.dashboard.over_nights import bands, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker, Tile

_CHAMPION = {"role": "champion"}


def _section(report: DashboardReport) -> Section:
    estimated = pc.field("reference").is_null() & pc.field("value").is_valid()
    values = estimates_of_nights(report).filter(estimated)
    beside = outside_policies(report, values)
    chart = bands(
        "policy",
        told("night", "day"),
        told("policy", "policy"),
        told("role", "role"),
        told("value", "value", "Q"),
        told("at least", "lower", "Q"),
        told("at most", "upper", "Q"),
    )
    return Section(
        name="value",
        title="What policies are worth",
        about="The value of each policy as estimated by each night from the logs of its window, with the"
        " interval as a band. Policies are weighed on days after those that they were fitted on, or, on"
        " nights that have no such day yet, on users that they were not fitted on. The large dots are the"
        " champion of the night.",
        rows=pa.concat_tables([values, beside])
        .select(["issue", "day", "policy", "role", "value", "lower", "upper", "n"])
        .sort_by([("issue", "ascending"), ("day", "ascending")]),
        charts=[
            Chart(
                "Estimated value",
                chart,
                "The estimated value of each policy over nights, a line with a band for its interval."
                " The table below has the newest night.",
                by="policy",
                unit="value",
            )
        ],
        columns=[
            Column("policy", "policy", "text"),
            Column("role", "role", "text"),
            Column("value", "value"),
            Column("lower", "at least"),
            Column("upper", "at most"),
            Column("n", "weighed", "count"),
        ],
        picks=[Pick("policy", "policies")],
        tiles=[
            Tile("champion", "policy", "text", _CHAMPION),
            Tile("what it is worth", "value", "number", _CHAMPION, interval=True),
        ],
    )


POLICY_VALUES = SectionMaker({**ESTIMATES, **REFERENCES}, _section)

"""By how much each policy is better than another, on the same logs, night by night."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.estimates import ESTIMATES, LOGGED, estimates_of_nights
from nightslate.reports.dashboard.over_nights import bands, constant, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker, Tile

_LOGGED = "what was logged"


def _section(report: DashboardReport) -> Section:
    pairs = estimates_of_nights(report).filter(
        pc.field("reference").is_valid() & pc.field("value").is_valid() & (pc.field("policy") != LOGGED)
    )
    against = {
        "the champion of the night": pc.field("reference") == pc.field("champion"),
        _LOGGED: pc.field("reference") == LOGGED,
        "the first champion": pc.field("reference") == pc.field("baseline"),
    }
    rows = [_named(pairs.filter(chosen), name) for name, chosen in against.items()]
    chart = bands(
        "policy",
        told("night", "day"),
        told("policy", "policy"),
        told("against", "reference"),
        told("difference", "value", "Q"),
        told("at least", "lower", "Q"),
        told("at most", "upper", "Q"),
    )
    return Section(
        name="lift",
        title="Lift",
        about="The value of each policy less that of another, paired on the same users, which tells more"
        " than two values side by side. Above the dashed line it is better. An interval holds for its own"
        " night alone: the gate goes by evidence that holds at every look, which is on the page of the"
        " night.",
        rows=pa.concat_tables(rows).select(
            ["issue", "day", "policy", "role", "against", "reference", "value", "lower", "upper"]
        ),
        charts=[
            Chart(
                "Difference",
                constant(0.0) + chart,
                "The paired difference of each policy over nights, a line with a band for its interval,"
                " against no difference. The table below has the newest night.",
                by="policy",
                unit="difference",
            )
        ],
        columns=[
            Column("policy", "policy", "text"),
            Column("reference", "against", "text"),
            Column("value", "difference"),
            Column("lower", "at least"),
            Column("upper", "at most"),
        ],
        picks=[Pick("against", "against", one=True), Pick("policy", "policies")],
        tiles=[
            Tile(
                "more than was logged",
                "value",
                "number",
                {"role": "champion", "against": _LOGGED},
                interval=True,
            )
        ],
    )


def _named(pairs: pa.Table, against: str) -> pa.Table:
    return pairs.append_column("against", pa.repeat(against, len(pairs)))


LIFT = SectionMaker(ESTIMATES, _section)

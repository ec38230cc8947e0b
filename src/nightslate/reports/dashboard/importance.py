"""What matters to the champion's predictions, night by night."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import bands, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker

_COLUMNS = ("issue", "figure", "about", "learner", "value", "lower", "upper", "reference", "ds")


def _section(report: DashboardReport) -> Section:
    chart = bands(
        "feature",
        told("night", "day"),
        told("feature", "feature"),
        told("champion", "learner"),
        told("percent", "value", "Q"),
    )
    return Section(
        name="importance",
        title="What matters",
        about="By how much the mean squared error of the champion's predictions grows, on users that it was"
        " not fitted on, where the values of one feature are shuffled across impressions. Of linear and"
        " logistic champions, in programs that ask for insights.",
        rows=_importances(report.rows["insights"]),
        charts=[
            Chart(
                "Growth of the squared error, in percent",
                chart,
                "The importance of each feature over nights, with its interval. The table below has the"
                " newest night.",
                by="feature",
            )
        ],
        columns=[
            Column("feature", "feature", "text"),
            Column("learner", "champion", "text"),
            Column("value", "growth, in percent"),
            Column("lower", "from"),
            Column("upper", "to"),
        ],
        picks=[Pick("feature", "features")],
        of_all=False,
    )


def _importances(insights: pa.Table) -> pa.Table:
    """By issue and night the features, those that matter most first, in percent of the error."""
    known = (pc.field("figure") == "importance") & (pc.field("reference") > 0)
    rows = insights.filter(known).rename_columns(
        [{"about": "feature", "ds": "day"}.get(name, name) for name in insights.column_names]
    )
    for name in ("value", "lower", "upper"):
        share = pc.multiply(pc.divide(rows[name], rows["reference"]), 100.0)
        rows = rows.set_column(rows.column_names.index(name), name, share)
    ranked = rows.sort_by([("issue", "ascending"), ("day", "ascending"), ("value", "descending")])
    return ranked.select(["issue", "day", "feature", "learner", "value", "lower", "upper"])


IMPORTANCE = SectionMaker({"insights": _COLUMNS}, _section)

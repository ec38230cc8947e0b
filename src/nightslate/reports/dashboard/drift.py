"""How far features have moved, night by night."""

from __future__ import annotations

import altair as alt
import pyarrow.compute as pc

from nightslate.core.features import MOVED
from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import constant, figure, lines, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker


def _section(report: DashboardReport) -> Section:
    drift = report.rows["feature_drift"].rename_columns({"ds": "day"})
    chart = lines(
        "feature", _axis("psi"), told("night", "day"), told("feature", "feature"), told("PSI", "psi", "Q")
    )
    return Section(
        name="drift",
        title="Drift of features",
        about="How far the features of users are from those of the days before: the population stability"
        " index. Above the dashed line a feature has moved. Nothing stops by it. Features belong to the"
        " program, not to an issue.",
        rows=drift.filter(pc.field("psi").is_valid()).sort_by([("day", "ascending"), ("psi", "descending")]),
        charts=[
            Chart(
                "Population stability index",
                constant(MOVED, _axis("value")) + chart,
                f"The stability index of each feature over nights, against {MOVED}. The table below has the"
                " newest night.",
                by="feature",
            )
        ],
        columns=[
            Column("feature", "feature", "text"),
            Column("psi", "stability index"),
            Column("mean", "mean"),
            Column("mean_before", "mean before"),
            Column("users", "users", "count"),
        ],
        picks=[Pick("feature", "features")],
    )


def _axis(field: str) -> alt.Y:
    """What has moved far leaves room for what has moved little."""
    return figure(field, zero=True, scale="sqrt")


DRIFT = SectionMaker({"feature_drift": ("feature", "psi", "users", "mean", "mean_before", "ds")}, _section)

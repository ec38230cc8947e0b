"""Whether propensities are what they say, and how much the logs say of each policy, night by night."""

from __future__ import annotations

import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.estimates import ESTIMATES, estimates_of_nights
from nightslate.reports.dashboard.over_nights import bands, constant, figure, lines, told
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker

_COLUMNS = ["issue", "day", "policy", "role", "value", "lower", "upper", "ess", "n", "unsupported_share"]


def _section(report: DashboardReport) -> Section:
    values = estimates_of_nights(report).filter(
        pc.field("reference").is_null() & pc.field("mean_weight").is_valid()
    )
    weights = values.drop_columns(["value", "lower", "upper"]).rename_columns(
        {"mean_weight": "value", "mean_weight_lower": "lower", "mean_weight_upper": "upper"}
    )
    return Section(
        name="calibration",
        title="Whether propensities are right",
        about="An importance weight is how much more often a policy would have shown an arm than the logs"
        " did. Its mean is 1 in expectation; away from 1 by more than its interval, it says that the"
        " propensities of the logs, or of the policy, are off. The effective sample size is how many equally"
        " weighted units an estimate is worth.",
        rows=weights.select(_COLUMNS),
        charts=[
            Chart(
                "Mean importance weight",
                constant(1.0)
                + bands(
                    "policy",
                    told("night", "day"),
                    told("policy", "policy"),
                    told("mean weight", "value", "Q"),
                    told("at least", "lower", "Q"),
                    told("at most", "upper", "Q"),
                ),
                "The mean importance weight of each policy over nights, with its interval, against 1."
                " The table below has the newest night.",
                by="policy",
            ),
            Chart(
                "Effective sample size",
                lines(
                    "policy",
                    figure("ess", zero=True),
                    told("night", "day"),
                    told("policy", "policy"),
                    told("ESS", "ess", "Q"),
                ),
                "The effective sample size of each policy over nights. The table below has the newest night.",
                by="policy",
            ),
        ],
        columns=[
            Column("policy", "policy", "text"),
            Column("value", "mean weight"),
            Column("lower", "at least"),
            Column("upper", "at most"),
            Column("ess", "effective samples"),
            Column("n", "of", "count"),
            Column("unsupported_share", "unsupported", "share"),
        ],
        picks=[Pick("policy", "policies")],
    )


CALIBRATION = SectionMaker(ESTIMATES, _section)

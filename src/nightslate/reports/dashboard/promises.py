"""What promotions promised, and what came."""

from __future__ import annotations

import altair as alt
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport, IssueRules
from nightslate.reports.dashboard.over_nights import Drawn, colour, rows, told
from nightslate.reports.dashboard.section import Chart, Column, Section, SectionMaker
from nightslate.reports.plots import SHORT_LABEL

_OF_REWARD = ("promised", "promised_lower", "came", "came_lower", "came_upper")
_ORDER = [(name, "ascending") for name in ("issue", "day", "promoted_on")]


def _section(report: DashboardReport) -> Section:
    ledger = report.rows["ledger"].rename_columns({"ds": "day"})
    scaled = [_scaled(ledger, issue, rules) for issue, rules in report.issues.items()]
    entries = pa.concat_tables([ledger.slice(0, 0), *scaled]).sort_by(_ORDER)
    promotion = pc.binary_join_element_wise(
        entries["policy"], entries["promoted_on"].cast(pa.string()), " since "
    )
    return Section(
        name="ledger",
        title="What promotions promised, and what came",
        about="The promise is the value that a challenger was promoted on, estimated before it was; what"
        " came is what it then earned when it chose, on days whose rewards are all known, with an interval"
        " that holds at every look.",
        rows=entries.append_column("promotion", promotion),
        charts=[
            Chart(
                "Promised and come",
                _promised_and_come(),
                "Of each promotion what was promised, at least and as estimated, beside what came, with its"
                " interval. The table below holds the same numbers.",
                by=None,
                unit="value",
                newest=True,
                row_height=44,
            )
        ],
        columns=[
            Column("promoted_on", "promoted on", "day"),
            Column("policy", "policy", "text"),
            Column("replaced", "replaced", "text"),
            Column("promised", "promised"),
            Column("promised_lower", "at least"),
            Column("came", "came"),
            Column("came_lower", "at least"),
            Column("came_upper", "at most"),
            Column("days", "days", "count"),
            Column("kept", "kept", "yes_or_no"),
        ],
        empty="Nobody was promoted by then.",
    )


def _promised_and_come() -> Drawn:
    axis = alt.Axis(grid=False, labelLimit=260, labelExpr=SHORT_LABEL)
    base = rows().encode(y=alt.Y("promotion:N", title=None, sort=alt.SortField("promoted_on"), axis=axis))
    said = [
        told("promotion", "promotion"),
        told("promised", "promised", "Q"),
        told("came", "came", "Q"),
        told("days", "days", "Q"),
    ]

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))

    def shown(what: str, least: str, most: str, shape: str, offset: int) -> list[alt.Chart]:
        scale = alt.Scale(domain=["promised", "came"], range=[colour("amber"), colour("blue")])
        of = base.transform_calculate(what=f"'{what}'")
        of = of.encode(color=alt.Color("what:N", scale=scale, title=None))
        interval = of.mark_rule(strokeWidth=2, yOffset=offset)
        point = of.mark_point(filled=True, size=80, opacity=1, shape=shape, yOffset=offset)
        return [
            interval.encode(x=x(least), x2=f"{most}:Q"),
            point.encode(x=x(what), tooltip=said),
        ]

    return alt.layer(
        *shown("promised", "promised_lower", "promised", "diamond", -6),
        *shown("came", "came_lower", "came_upper", "circle", 6),
    )


def _scaled(ledger: pa.Table, issue: str, rules: IssueRules) -> pa.Table:
    """The entries of an issue, in the unit in which its rewards are written."""
    entries = ledger.filter(pc.field("issue") == issue)
    for name in _OF_REWARD:
        at = entries.schema.get_field_index(name)
        entries = entries.set_column(at, name, pc.multiply(entries[name], rules.reward.factor))
    return entries


PROMISES = SectionMaker(
    {"ledger": ("issue", "promoted_on", "policy", "replaced", *_OF_REWARD, "days", "kept", "ds")}, _section
)

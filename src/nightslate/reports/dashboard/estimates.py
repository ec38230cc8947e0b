"""The estimates of all nights that the dashboard leads with: one estimator an issue, one estimand a night."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport, IssueRules
from nightslate.reports.estimands import leading_of_each_night

ESTIMATES = {
    "evaluations": (
        *("issue", "policy", "reference", "estimator", "estimand", "value", "lower", "upper", "n"),
        *("ess", "mean_weight", "mean_weight_lower", "mean_weight_upper", "unsupported_share"),
        *("first_day", "last_day", "ds"),
    ),
    "promotions": ("issue", "champion_before", "ds"),
}
"""What sections of estimates read."""

LOGGED = "logged"
"""The policy that evaluations call so: what was shown."""

_ORDER = [(name, "ascending") for name in ("issue", "day", "policy")]
_KEYS = ["issue", "ds"]


def estimates_of_nights(report: DashboardReport) -> pa.Table:
    """Values and differences in the unit in which rewards are written, by issue, night (`day`) and policy,
    with the `champion` of the night, the one that the program began with (`baseline`), and the `role` of each
    policy."""
    evaluations, promotions = report.rows["evaluations"], report.rows["promotions"]
    leading = [_leading(evaluations, issue, rules) for issue, rules in report.issues.items()]
    champions = promotions.group_by(_KEYS).aggregate([("champion_before", "min")])
    rows = pa.concat_tables(leading).join(champions, _KEYS)
    rows = rows.rename_columns({"ds": "day", "champion_before_min": "champion"})
    return rows.append_column("role", _roles(rows)).sort_by(_ORDER)


def _leading(evaluations: pa.Table, issue: str, rules: IssueRules) -> pa.Table:
    judged = (pc.field("issue") == issue) & (pc.field("estimator") == rules.judged_by)
    rows = leading_of_each_night(evaluations.filter(judged))
    for name in ("value", "lower", "upper"):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, pc.multiply(rows[name], rules.reward.factor))
    return rows.append_column("baseline", pa.repeat(rules.first_champion, len(rows)))


def _roles(rows: pa.Table) -> pa.ChunkedArray:
    """Champion as of the night; baseline: what was logged, and what the program began with, once another is
    champion."""
    policy, champion = rows["policy"], rows["champion"].fill_null("")
    baseline = pc.or_(pc.equal(policy, LOGGED), pc.equal(policy, rows["baseline"]))
    return pc.if_else(pc.equal(policy, champion), "champion", pc.if_else(baseline, "baseline", "challenger"))

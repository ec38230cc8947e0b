"""Policies that ran elsewhere, beside those that are evaluated: what they earned over the days of a night."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport

REFERENCES = {"references": ("policy", "impressions", "reward", "ds")}
"""What is read of them."""


def outside_policies(report: DashboardReport, values: pa.Table) -> pa.Table:
    """As rows of `values`: of each night and issue, the mean reward of each of these policies over the days
    shown that the values are about. They have no interval, for they are not estimated."""
    spans = values.group_by(["issue", "day"]).aggregate([("first_day", "min"), ("last_day", "max")])
    first, last = (spans[name].to_numpy() for name in ("first_day_min", "last_day_max"))
    factor = np.array([report.issues[issue].reward.factor for issue in spans["issue"].to_pylist()])
    found = [values.slice(0, 0)]
    for policy in report.rows["references"]["policy"].unique().to_pylist():
        shown, earned = _over_days(report.rows["references"], policy, first, last)
        rows = pa.table(
            {
                "issue": spans["issue"],
                "day": spans["day"],
                "policy": pa.repeat(f"{policy} (outside, not evaluated)", len(spans)),
                "role": pa.repeat("outside", len(spans)),
                "value": factor * earned / np.maximum(shown, 1),
                "n": shown,
            }
        )
        found.append(rows.filter(pc.field("n") > 0))
    return pa.concat_tables(found, promote_options="default").select(values.column_names)


def _over_days(
    references: pa.Table, policy: str, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(spans,) impressions and rewards of a policy from a first to a last day, both included."""
    rows = references.filter(pc.field("policy") == policy).sort_by("ds")
    days = rows["ds"].to_numpy()
    begin, end = np.searchsorted(days, first, side="left"), np.searchsorted(days, last, side="right")

    def between(name: str) -> np.ndarray:
        total = np.concatenate([[0], np.cumsum(rows[name].to_numpy())])
        return np.asarray(total[end] - total[begin])

    return between("impressions"), between("reward")

"""What matters to the champion, by feature and night."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.importance import IMPORTANCE
from nightslate.reports.dashboard.page import page

DAY = dashboards.FIRST


def importance(about: str, value: float, nights: int = 0, **more: object) -> dict[str, object]:
    row = {"issue": "homepage", "figure": "importance", "about": about, "learner": "linear", "value": value}
    return {**row, "lower": value - 0.1, "upper": value + 0.1, "reference": 2.0} | {
        "ds": DAY + timedelta(days=nights),
        **more,
    }


def report(*rows: dict[str, object]) -> DashboardReport:
    some = dashboards.report(2)
    of_insights = {**some.rows, "insights": dashboards.read("insights", rows)}
    return dashboards.replace(some, rows=of_insights)


def test_features_are_told_in_percent_of_the_error_those_that_matter_most_first() -> None:
    some = report(
        importance("age", 0.2),
        importance("history", 0.5),
        importance("age", 0.3, nights=1, lower=None, upper=None),
        importance("age", 0.0, reference=0.0, issue="mail"),
        importance("an effect", 9.0, figure="effect", reference=None),
    )
    rows = IMPORTANCE.made(some).rows.to_pylist()
    assert [(row["day"], row["feature"]) for row in rows] == [
        (DAY, "history"),
        (DAY, "age"),
        (DAY + timedelta(days=1), "age"),
    ]
    assert [row["value"] for row in rows] == pytest.approx([25.0, 10.0, 15.0])
    assert (rows[0]["lower"], rows[0]["upper"]) == pytest.approx((20.0, 30.0))
    assert rows[2]["lower"] is None


def test_a_program_without_insights_has_no_such_section() -> None:
    assert "What matters" in page(report(importance("age", 0.2)))
    assert "What matters" not in page(dashboards.empty()).split("<script")[0]

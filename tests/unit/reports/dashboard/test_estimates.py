"""Which estimates of all nights the dashboard leads with."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow.compute as pc
import pytest
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.estimates import estimates_of_nights
from nightslate.reports.dashboard.lift import LIFT
from nightslate.reports.dashboard.policy_values import POLICY_VALUES

REPORT = dashboards.report()
DAY = dashboards.FIRST + timedelta(days=7)


def of(issue: str, day: date) -> list[dict[str, object]]:
    chosen = (pc.field("issue") == issue) & (pc.field("day") == day)
    found: list[dict[str, object]] = estimates_of_nights(REPORT).filter(chosen).to_pylist()
    return found


def test_each_policy_and_pair_is_there_once_a_night_by_the_estimator_of_its_issue() -> None:
    for issue, policies in dashboards.POLICIES.items():
        rows = of(issue, DAY)
        pairs = [(row["policy"], row["reference"]) for row in rows]
        assert len(pairs) == len(set(pairs)) == len(policies) ** 2
        assert {row["estimator"] for row in rows} == {dashboards.ISSUES[issue].judged_by}


def test_a_night_leads_with_what_was_weighed_by_models_of_before_where_there_is_any() -> None:
    assert {row["estimand"] for row in of("mail", DAY)} == {"progressive"}
    assert {row["estimand"] for row in of("mail", dashboards.FIRST)} == {"cross_fitted"}


def test_rates_are_in_percent_and_others_as_they_are() -> None:
    for issue, factor in (("homepage", 100), ("mail", 1)):
        (row,) = [row for row in of(issue, DAY) if (row["policy"], row["reference"]) == ("uniform", None)]
        assert row["value"] == pytest.approx(factor * dashboards.value(issue, "uniform", DAY))


def test_roles_are_those_of_the_night() -> None:
    before, after = (
        {row["policy"]: row["role"] for row in of("homepage", day)} for day in (dashboards.FIRST, DAY)
    )
    assert before == {
        "logged": "baseline",
        "uniform": "champion",
        "linear_ucb": "challenger",
        "linear_thompson": "challenger",
    }
    assert after == {**before, "uniform": "baseline", "linear_thompson": "champion"}


def test_lift_is_against_the_champion_of_each_night() -> None:
    rows = LIFT.made(REPORT).rows
    against = rows.filter(pc.field("against") == "the champion of the night").to_pylist()
    assert {(row["issue"], row["day"], row["reference"]) for row in against} == {
        (issue, night["day"], dashboards.champion(issue, night["day"]))
        for issue in dashboards.POLICIES
        for night in REPORT.nights.to_pylist()
    }
    assert "logged" not in {row["policy"] for row in rows.to_pylist()}


def test_outside_policies_have_what_they_earned_over_the_days_of_each_night() -> None:
    rows = POLICY_VALUES.made(REPORT).rows.filter(pc.field("role") == "outside").to_pylist()
    found = {(row["issue"], row["day"]): row for row in rows}
    assert {row["policy"] for row in rows} == {dashboards.OUTSIDE}
    assert found["homepage", DAY]["n"] == 300  # of days 4 to 7, without 6
    assert found["homepage", DAY]["value"] == pytest.approx(100 * (4 + 5 + 7) / 300)
    assert found["mail", DAY]["value"] == pytest.approx((4 + 5 + 7) / 300)
    assert found["mail", DAY]["lower"] is None
    assert ("mail", dashboards.FIRST) not in found  # nothing was shown by then


def test_the_policies_of_a_night_stand_before_those_from_outside() -> None:
    of_night = (pc.field("issue") == "mail") & (pc.field("day") == DAY)
    rows = POLICY_VALUES.made(REPORT).rows.filter(of_night)
    assert rows["policy"].to_pylist() == ["logged", "popularity", "uniform", dashboards.OUTSIDE]

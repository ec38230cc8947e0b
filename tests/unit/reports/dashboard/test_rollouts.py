"""Who gets what, night by night, and why: the causes of a region are its own."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.unit.reports import dashboards

from nightslate.reports.dashboard.page import page
from nightslate.reports.dashboard.rollouts import ROLLOUTS

FIRST = dashboards.FIRST


def rows() -> list[dict[str, object]]:
    found: list[dict[str, object]] = ROLLOUTS.made(dashboards.report()).rows.to_pylist()
    return found


def test_treatments_stand_in_it_by_night_and_segment_all_users_first() -> None:
    found = rows()
    assert {row["variant"] for row in found} == {"personalised"}
    assert found[0]["segment"] == "all users"
    assert {row["segment"] for row in found} == {"all users", "region north", "device missing"}
    assert len(found) == 12 * 3
    assert found[0]["day"] == FIRST
    newest = next(row for row in found if row["day"] == FIRST + timedelta(days=11))
    wanted = {"value": 52.0, "lower": 20.0, "upper": 80.0, "everyone": 50.0, "at_risk": 0.25, "came": 12}
    assert {name: newest[name] for name in wanted} == wanted


def test_of_a_region_the_cause_is_its_own_where_a_signal_is_there() -> None:
    told = {(row["day"], row["segment"]): row["reason"] for row in rows()}
    everywhere = "went on to step 2 of 2 (50 %)"
    assert told[FIRST + timedelta(days=2), "region north"] == "in the north"
    assert told[FIRST + timedelta(days=1), "region north"] == everywhere
    assert told[FIRST + timedelta(days=2), "device missing"] == everywhere
    assert told[FIRST + timedelta(days=2), "all users"] == everywhere


def test_a_program_without_slates_has_no_sections_of_policies() -> None:
    html = page(dashboards.of_rollout())
    assert re.findall(r'<section id="(\w+)"', html) == ["readouts", "rollouts", "nights"]
    assert "Minutes until assignments were out" in html
    assert "Minutes until slates were out" in page(dashboards.report(1))

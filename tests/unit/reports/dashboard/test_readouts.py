"""What the dashboard has of readouts: the most precise effect of each variant, metric and segment."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.compute as pc
import pytest
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.page import page
from nightslate.reports.dashboard.readouts import READOUTS

SECTION = READOUTS.made(dashboards.report())
DAY = dashboards.FIRST + timedelta(days=7)


def rows(**values):
    chosen = pc.field("day") == DAY
    for name, value in values.items():
        chosen &= pc.field(name) == value
    return SECTION.rows.filter(chosen).to_pylist()


def test_an_effect_is_the_most_precise_so_far_and_the_control_has_none() -> None:
    found = rows(segment="all users", users="who was shown anything")
    assert [(row["metric"], row["variant"]) for row in found] == [
        ("engagement", "personalised"),
        ("engagement", "rule"),
        ("opt_outs", "personalised"),
        ("opt_outs", "rule"),
    ]
    for row in found:
        middle = dashboards.effect(row["metric"], row["variant"], "cuped", DAY)
        assert row["value"] == pytest.approx(middle)
        assert (row["lower"], row["upper"]) == pytest.approx((middle - 0.2, middle + 0.2))
        assert (row["once_lower"], row["once_upper"]) == pytest.approx((middle - 0.1, middle + 0.1))


def test_picks_begin_with_what_is_decided_by() -> None:
    first = rows()[0]
    assert (first["metric"], first["users"], first["segment"]) == (
        "engagement",
        "who was shown anything",
        "all users",
    )
    assert {row["segment"] for row in rows()} == {"all users", "age young"}
    assert {row["users"] for row in rows()} == {"who was shown anything", "all who were assigned"}


def test_the_first_screen_has_the_decision_and_its_effect() -> None:
    for tile in SECTION.tiles:
        (row, *_) = rows(**tile.where)
        assert row["metric"] == "engagement"
        assert row["decision"] == "ship"
    assert [tile.field for tile in SECTION.tiles] == ["decision", "value"]


def test_without_readouts_the_page_has_no_such_section() -> None:
    assert READOUTS.made(dashboards.empty()).rows.num_rows == 0
    assert 'id="readouts"' in page(dashboards.report(1))
    for name in ('id="readouts"', "the experiment says"):
        assert name not in page(dashboards.empty()).split("<script")[0]

"""The charts hold the figures they were given."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import altair as alt
import pyarrow as pa
import pytest
from tests.unit.reports import nights

from nightslate.reports import plots


def drawn(chart: alt.LayerChart | None, field: str) -> list[dict[str, Any]]:
    """The rows of the first data set of a chart that has this field."""
    assert chart is not None
    return next(rows for rows in chart.to_dict()["datasets"].values() if field in rows[0])


def test_a_png_is_a_png() -> None:
    chart = plots.policy_values(nights.evaluations(), nights.CLICKS)
    assert chart is not None
    assert plots.to_png(chart).startswith(b"\x89PNG")


def test_each_estimate_is_drawn_once_with_its_interval_in_percent() -> None:
    points = drawn(plots.policy_values(nights.evaluations(), nights.CLICKS), "estimator")
    assert len(points) == 9
    found = next(p for p in points if p["label"] == "linear_thompson" and p["estimator"] == "dr")
    assert found["value"] == pytest.approx(0.51)
    assert (found["lower"], found["upper"]) == (pytest.approx(0.22), pytest.approx(0.80))


def test_paired_differences_are_apart_from_values() -> None:
    chart = plots.differences(nights.evaluations(), nights.CLICKS, margin=0.001)
    assert chart is not None
    assert [{"value": 0.1}] in chart.to_dict()["datasets"].values()
    assert {p["label"] for p in drawn(chart, "estimator")} == {
        "popularity − uniform",
        "linear_thompson − uniform",
    }


def test_weights_are_drawn_once_a_policy_whatever_the_estimator() -> None:
    points = drawn(plots.weights_health(nights.evaluations()), "label")
    assert [p["label"] for p in points] == list(nights.VALUES)


def test_no_estimate_no_chart() -> None:
    report = nights.empty()
    assert plots.policy_values(report.evaluations, nights.CLICKS) is None
    assert plots.differences(report.evaluations, nights.CLICKS) is None
    assert plots.weights_health(report.evaluations) is None
    assert plots.exposure(report.exposure) is None


def test_the_arms_most_shown_come_first() -> None:
    shares = {("a", 1): 0.2, ("a", 2): 0.1, ("b", 1): 0.1, ("b", 2): 0.6, ("c", 1): 0.3, ("c", 2): 0.0}
    rows = [{"arm_id": arm, "slot": slot, "share": share} for (arm, slot), share in shares.items()]
    totals = plots.exposure_totals(rows)
    assert list(totals) == ["b", "a", "c"]
    assert totals["b"] == pytest.approx(0.7)


def test_the_style_sheet_maps_every_colour_of_the_charts_for_dark_screens() -> None:
    style = (Path(plots.__file__).parent / "templates" / "night.css").read_text()
    mapped = set(re.findall(r'\[(?:fill|stroke)="(#[0-9a-f]{6})"\]', style))
    assert mapped == {plots.INK, plots.MUTED, plots.GRID, plots.PURPLE, *plots.ESTIMATOR_COLOURS}


def test_arms_with_long_names_are_drawn_apart_under_short_ones() -> None:
    """Vega measures each label that it draws: 30,000 characters took it a minute."""
    names = ["x" * 30_000 + end for end in "ab"]
    chart = plots.exposure(pa.table({"arm_id": names, "slot": [1, 1], "share": [0.75, 0.25]}))
    assert chart is not None
    svg = plots.to_svg(chart)
    labels = re.findall(r"<text[^>]*>(x[^<]*)</text>", svg)
    assert [len(label) <= 60 and label.endswith("…") for label in labels] == [True, True]
    assert svg.count('aria-roledescription="bar"') == 2

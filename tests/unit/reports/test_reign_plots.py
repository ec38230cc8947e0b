"""The chart of a reign holds the capitals it was given, however small or large."""

from __future__ import annotations

import math
from datetime import date

import pytest
from tests.unit.reports import nights
from tests.unit.reports.test_plots import drawn

from nightslate.reports import plots, reign_plots
from nightslate.reports.reigns import Growth, growths

MIDNIGHT = 1573257600000  # of 2019-11-09, in milliseconds since 1970


def ordinary() -> list[Growth]:
    return growths(nights.evidence(), nights.promotions().to_pylist())


def test_each_challenger_starts_with_a_capital_of_1_on_the_day_before_its_first() -> None:
    points = drawn(reign_plots.capital(ordinary()), "capital")
    assert len(points) == 2 * 14
    of_one = [point for point in points if point["challenger"] == "linear_thompson"]
    assert of_one[0] == {"challenger": "linear_thompson", "day": MIDNIGHT, "capital": 1.0}
    assert of_one[-1]["capital"] == pytest.approx(41.2)


def test_the_bar_of_each_challenger_is_drawn_and_named() -> None:
    bars = drawn(reign_plots.capital(ordinary()), "needed")
    assert [(bar["challenger"], bar["label"]) for bar in bars] == [
        ("popularity", "32.9 needed"),
        ("linear_thompson", "132 needed"),
    ]
    assert bars[1]["needed"] == pytest.approx(131.6, rel=1e-3)


def test_a_capital_beyond_what_an_axis_can_show_ends_at_its_edge() -> None:
    growth = Growth("a", math.log(32.9), [date(2019, 11, 10), date(2019, 11, 11)], [-3000.0, 3000.0])
    chart = reign_plots.capital([growth])
    assert [point["capital"] for point in drawn(chart, "capital")] == pytest.approx([1.0, 0.001, 32_900.0])
    assert chart is not None
    assert plots.to_png(chart).startswith(b"\x89PNG")


def test_no_evidence_no_chart() -> None:
    assert reign_plots.capital([]) is None

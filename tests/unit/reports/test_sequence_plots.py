"""The charts of sequences hold the figures they were given."""

from __future__ import annotations

import math
import re
from typing import Any

import altair as alt
import pytest
from tests.unit.reports import nights
from tests.unit.reports.test_plots import drawn

from nightslate.reports import plots, sequence_plots

SWEEP: list[dict[str, Any]] = [
    {"epsilon": epsilon, "value": value, "lower": value - 0.5, "upper": value + 0.5}
    for epsilon, value in ((0.0, 3.0), (0.3, 2.0))
]


def state(action: str, decisions: int = 1) -> dict[str, Any]:
    return {"x": 0.0, "y": 0.0, "value": 1.0, "action": action, "decisions": decisions}


def actions(states: list[dict[str, Any]]) -> dict[str, str]:
    """Each arm in the legend with its colour."""
    chart = sequence_plots.states_by_action(states)
    assert chart is not None
    scale = chart.to_dict()["layer"][0]["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def svg(chart: alt.LayerChart | None) -> str:
    assert chart is not None
    return plots.to_svg(chart)


def test_every_epsilon_is_drawn_with_its_interval_and_the_truth_beside() -> None:
    chart = sequence_plots.value_by_epsilon(SWEEP, truth={0.3: 2.2, 0.0: 2.9}, reward="orders", logged=1.5)
    intervals = drawn(chart, "lower")
    assert [(row["epsilon"], row["lower"], row["upper"]) for row in intervals] == [
        (0, 2.5, 3.5),
        (0.3, 1.5, 2.5),
    ]
    assert chart is not None
    points = next(
        rows
        for rows in chart.to_dict()["datasets"].values()
        if {row.get("what") for row in rows} >= {"truth"}
    )
    assert [(row["what"], row["epsilon"], row["value"]) for row in points] == [
        ("estimate", 0, 3.0),
        ("estimate", 0.3, 2.0),
        ("truth", 0.0, 2.9),
        ("truth", 0.3, 2.2),
    ]
    assert drawn(chart, "name") == [{"value": 1.5, "name": "logged policy"}]
    assert all(word in svg(chart) for word in ("orders", "estimate", "truth", "logged policy"))


def test_without_truth_or_log_nothing_is_said_of_them() -> None:
    text = svg(sequence_plots.value_by_epsilon(SWEEP))
    assert "value of a sequence" in text
    assert "truth" not in text
    assert "logged" not in text


def test_an_epsilon_without_a_value_is_left_out() -> None:
    rows: list[dict[str, Any]] = [*SWEEP, {"epsilon": 0.6, "value": None, "lower": None, "upper": None}]
    assert len(drawn(sequence_plots.value_by_epsilon(rows), "lower")) == 2


def test_the_arms_recommended_most_keep_their_names_where_colours_run_out() -> None:
    few = actions([state(f"arm {i}") for i in range(6)])
    assert list(few) == [f"arm {i}" for i in range(6)]
    assert plots.MUTED not in few.values()
    many = actions([state(f"arm {i}", decisions=1 + i) for i in range(9)])
    assert list(many) == ["arm 4", "arm 5", "arm 6", "arm 7", "arm 8", "other arms"]
    assert many["other arms"] == plots.MUTED


def test_both_maps_show_every_state_at_its_place() -> None:
    states = nights.sequences().states
    for chart in (sequence_plots.states_by_value(states, "orders"), sequence_plots.states_by_action(states)):
        assert [(row["x"], row["y"]) for row in drawn(chart, "x")] == [(row["x"], row["y"]) for row in states]
    assert svg(sequence_plots.states_by_value(states, "orders")).count(sequence_plots.SHADES[0]) > 1


def test_a_change_of_zero_is_drawn_below_all_others_on_the_logarithmic_scale() -> None:
    chart = sequence_plots.convergence([1.0, 0.02, 0.0], tolerance=0.01)
    rows = drawn(chart, "iteration")
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert [row["change"] for row in rows] == [1.0, 0.02, pytest.approx(0.001)]
    assert [row["none"] for row in rows] == [False, False, True]
    assert drawn(chart, "name") == [{"change": 0.01, "name": "tolerance"}]
    assert "tolerance" not in svg(sequence_plots.convergence([1.0, 0.02], tolerance=0.0))


@pytest.mark.parametrize(
    ("iterations", "numbered"), [(1, [1]), (2, [1, 2]), (25, [1, 4, 7, 10, 13, 16, 19, 22, 25])]
)
def test_iterations_are_numbered_whole_and_once(iterations: int, numbered: list[int]) -> None:
    text = svg(sequence_plots.convergence([0.5] * iterations, tolerance=0.01))
    axis = text[text.index("X-axis") :].partition("Y-axis")[0]
    assert [int(label) for label in re.findall(r">(\d+)</text>", axis)] == numbered


def test_features_stand_in_the_order_of_their_importance() -> None:
    chart = sequence_plots.importance({"city": 0.2, "visits": 0.6, "age": 0.2})
    assert [row["feature"] for row in drawn(chart, "feature")] == ["visits", "age", "city"]
    text = svg(chart)
    assert text.index(">visits<") < text.index(">age<") < text.index(">city<")


def test_nothing_to_draw_no_chart() -> None:
    nothing = nights.sequences(
        sweep=[{"epsilon": 0.0, "value": math.nan, "lower": None, "upper": None}],
        curve=[], states=[], importance={}, ess_by_step=[],
    )  # fmt: skip
    assert set(sequence_plots.charts(nothing, "orders").values()) == {None}


def test_every_chart_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    charts = sequence_plots.charts(nights.sequences(), "orders")
    assert charts.keys() == sequence_plots.ALTERNATIVES.keys()
    assert None not in charts.values()

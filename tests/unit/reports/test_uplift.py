"""Whom help helps, on the page of a night."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.night_page import page
from nightslate.reports.numbers import MINUS, Reward
from nightslate.reports.uplift import help_judged

from .nights import HOSTILE, ordinary

UPLIFT = schema(load("uplift"), partition=False)
EUROS = Reward("euros per impression", rate=False)


def row(figure, at, value, half=0.1, spent=None, learner="greedy"):
    known = half is not None
    return {
        "issue": "homepage", "learner": learner, "figure": figure, "at": at, "estimand": "progressive",
        "value": value, "stderr": half, "lower": value - half if known else None,
        "upper": value + half if known else None, "confidence": 0.95, "spent": spent, "n": 900,
        "first_day": date(2019, 11, 10), "last_day": date(2019, 11, 22),
    }  # fmt: skip


def uplift(autoc=0.25, half=0.1, learner="greedy"):
    rows = [
        row("mean", 1.0, 0.4, half, learner=learner),
        row("autoc", 1.0, autoc, half, learner=learner),
        row("qini", 1.0, 0.0625, half, learner=learner),
        *(row("decile", each / 10, 1.123 - each / 10, half, learner=learner) for each in range(10, 0, -1)),
        *(row("cost_curve", each / 20, each / 30, half, each / 50, learner) for each in range(1, 21)),
    ]
    return pa.Table.from_pylist(rows, UPLIFT)


def written(table, champion="greedy"):
    return page(replace(ordinary(), reward=EUROS, uplift=table, champion=champion))


def test_the_champions_help_stands_on_the_page():
    html = written(pa.concat_tables([uplift(), uplift(-7.77, learner="other")]))
    assert "those of whom more is expected do gain more by help" in html
    for figure in ("AUTOC", "+0.250", "+0.150 to +0.350", "+1.02", "+0.123", "2019-11-10 to 2019-11-22"):
        assert figure in html
    assert f"{MINUS}7.77" not in html
    assert html.count("What an impression gains for what is spent on help") == 1


@pytest.mark.parametrize(
    ("autoc", "half", "words"),
    [(0.05, 0.1, "nothing tells yet"), (-0.3, 0.1, "gain less by help"), (0.3, None, "nothing tells yet")],
)
def test_words_go_by_the_interval(autoc, half, words):
    assert words in written(uplift(autoc, half))


def test_without_costs_there_is_no_curve_and_without_rows_a_word():
    table = uplift()
    free = table.filter(pa.compute.not_equal(table["figure"], "cost_curve"))
    assert help_judged(free, "greedy", EUROS).curve_chart is None
    assert "above the dotted line" not in written(free)
    assert "Nothing is known yet of whom" in written(table, champion="uniform")
    assert "Whom help helps" not in page(ordinary())


def test_names_are_text():
    assert HOSTILE not in written(uplift(learner=HOSTILE), champion=HOSTILE)

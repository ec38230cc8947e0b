"""What each part of the policy is worth, on the page of a night."""

from dataclasses import replace
from datetime import date
from typing import get_args

import pyarrow as pa

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.kernels import controls as kernels
from nightslate.programs.evaluation import ControlName
from nightslate.reports.controls import held_against
from nightslate.reports.night_page import page
from nightslate.reports.numbers import Reward

from .nights import ordinary

CONTROLS = schema(load("controls"), partition=False)
EUROS = Reward("euros per impression", rate=False)
TITLE = "What each part of the policy is worth"


def row(policy, value, difference=None, **changed):
    about = (-0.125, 0.125) if difference is not None else (None, None)
    lower, upper = (half if half is None else difference + half for half in about)
    return {
        "issue": "homepage", "policy": policy, "estimator": "dr", "value": value, "stderr": 0.1,
        "lower": value and value - 0.2, "upper": value and value + 0.2, "difference": difference,
        "difference_lower": lower, "difference_upper": upper,
        "champion_value": 2.5, "confidence": 0.95, "interval_method": "bootstrap", "n": 900, "clusters": 300,
        "ess": 456.0, "max_weight": 7.89, "unsupported_share": 0.0, "days": 13,
        "first_day": date(2019, 11, 10), "last_day": date(2019, 11, 22), **changed,
    }  # fmt: skip


def written(*rows):
    return page(replace(ordinary(), reward=EUROS, controls=pa.Table.from_pylist(list(rows), CONTROLS)))


def test_each_control_stands_beside_the_champion():
    unseen = row("eligibility_only", None, unsupported_share=0.321, remark="not identified: too much")
    html = written(row("champion", 2.5), row("random", 1.25, 1.25), unseen)
    assert TITLE in html
    for words in (
        *("what decides", "each ranking of the arms", "without contact rules and consents"),
        *("2.30 to 2.70", "+1.25", "+1.12 to +1.38", "456", "7.89", "32.1 %", "2019-11-10 to 2019-11-22"),
        *("DR: the champion of each day", "without contact rules: not identified: too much"),
    ):
        assert words in html
    assert "without levers" not in html


def test_days_that_nobody_has_decided_say_nothing():
    assert held_against(pa.Table.from_pylist([], CONTROLS)) is None
    html = written(row("champion", None, n=0, days=0, first_day=None, last_day=None))
    assert "Nothing is known yet: no day that is over was decided" in html


def test_who_asks_for_no_control_has_no_section():
    assert TITLE not in page(ordinary())


def test_every_control_that_a_program_may_ask_for_is_there_everywhere():
    asked = set(get_args(ControlName))
    rows = [row("champion", 2.5), *(row(name, 1.0, 1.5) for name in asked)]
    held = held_against(pa.Table.from_pylist(rows, CONTROLS))
    assert {control.row["policy"] for control in held.controls} == asked == set(kernels.CONTROLS)
    assert {*load("controls").column("policy").allowed} == asked | {"champion"}

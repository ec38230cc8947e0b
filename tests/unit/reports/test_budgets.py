"""The table of budgets on the page of a night."""

from dataclasses import replace

import pyarrow as pa

from nightslate.reports.night_page import page
from nightslate.reports.night_report import BUDGETS

from .nights import HOSTILE, ordinary

CHATS = {
    "name": "chats",
    "most": 100.0,
    "expected": 99.95,
    "shown": 100.0,
    "randomised": 12.5,
    "multiplier": 0.4123,
    "reward_price": 0.8,
    "divergence_price": 0.0321,
}


def written(*rows):
    return page(replace(ordinary(), budgets=pa.Table.from_pylist(list(rows), BUDGETS)))


def test_a_budget_with_its_price():
    html = written(CHATS)
    for figure in ("100", "99.9500", "12.5", "0.412", "0.800", "0.0321", "one more is worth"):
        assert figure in html


def test_a_price_that_no_model_knows_is_a_dash_and_names_are_text():
    html = written({**CHATS, "name": HOSTILE, "reward_price": None, "divergence_price": None})
    assert HOSTILE not in html
    assert html.count("\N{EN DASH}</td>") >= 2


def test_a_program_without_budgets_has_no_table():
    assert "one more is worth" not in page(ordinary())

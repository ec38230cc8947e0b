"""How users came to their issues, on the page of a night."""

from dataclasses import replace

import pyarrow as pa

from nightslate.reports.night_page import page
from nightslate.reports.night_report import ISSUE_SHARES

from .nights import ordinary

PRICING = {"issue": "pricing", "concerned": 1200, "drawn": 431, "mean_probability": 0.352}
NOBODY = {"issue": "support", "concerned": 0, "drawn": 0, "mean_probability": None}


def test_each_issue_has_its_users_and_its_probability():
    shares = pa.Table.from_pylist([PRICING, NOBODY], ISSUE_SHARES)
    html = page(replace(ordinary(), issue_shares=shares))
    for figure in ("users concerned", "pricing", "1,200", "431", "35.2"):
        assert figure in html
    assert html.count("\N{EN DASH}</td>") > page(ordinary()).count("\N{EN DASH}</td>")


def test_a_program_that_draws_no_issue_has_no_table():
    assert "users concerned" not in page(ordinary())

"""What the gate did, in one sentence."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.unit.reports import nights

from nightslate.reports.wording import evidence, headline, worth


def rows(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The two challengers of the ordinary night, the first ones of which differ by `changes`."""
    both = nights.promotions().to_pylist()
    return [row | change for row, change in zip(both, [*changes, {}, {}][:2], strict=True)]


def said(*changes: dict[str, Any], margin: float = 0.0) -> str:
    return headline(rows(*changes), nights.CLICKS, margin, matured=True)


def test_it_names_the_challenger_that_is_nearest_to_its_own_bar() -> None:
    assert said() == "Champion stays uniform: the evidence for linear_thompson is worth 41.2 of 132 needed"
    # 30 of 32.9 is nearer than 41.2 of 132
    assert said({"log_capital": math.log(30)}) == (
        "Champion stays uniform: the evidence for popularity is worth 30.0 of 32.9 needed"
    )


def test_a_promotion_says_what_the_evidence_was_worth() -> None:
    won = {"decision": "promoted", "champion_after": "popularity", "log_capital": math.log(50), "reasons": []}
    assert said(won) == (
        "popularity replaces uniform: the evidence that it is better is worth 50.0, and 32.9 was needed"
    )
    assert "the evidence that it is better by more than +0.100 pp is worth 50.0" in said(won, margin=0.001)


def test_evidence_that_suffices_is_not_blamed_where_the_samples_are_too_few() -> None:
    enough = {"log_capital": math.log(200), "reasons": ["the effective sample size 611.7 is under 1000"]}
    assert said({}, enough) == (
        "Champion stays uniform: linear_thompson has the evidence that it needs, but the effective sample"
        " size 611.7 is under 1000"
    )


def test_a_challenger_that_was_heard_goes_before_one_that_was_not() -> None:
    nothing = {"cohorts": 0, "log_capital": 0.0}
    assert "popularity is worth 1.80" in said({}, nothing)
    assert said(nothing, nothing) == "Champion stays uniform: there is no evidence on any challenger yet"


def test_evidence_is_worth_a_part_of_what_is_needed_or_that_and_more() -> None:
    few, enough = rows({}, {"log_capital": math.log(200)})
    assert evidence(few) == "worth 1.80 of 32.9 needed"
    assert evidence(enough) == "worth 200, 132 needed"


def test_rows_of_before_there_was_evidence_have_none() -> None:
    before = {"cohorts": None, "log_capital": None}
    assert "no evidence on any challenger yet" in said(before, before)
    assert evidence(rows(before)[0]) == "none yet"


@pytest.mark.parametrize(
    ("log_capital", "text"),
    [
        (0.0, "1.00"),
        (math.log(32.9), "32.9"),
        (-2000.0, "under 0.001"),
        (2000.0, "over 1,000,000"),
        (None, "–"),
    ],
)
def test_a_capital_of_any_size_is_short(log_capital: float | None, text: str) -> None:
    assert worth(log_capital) == text

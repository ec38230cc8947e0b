"""What the gate has heard in a reign, from the table of evidence."""

from __future__ import annotations

import math
from datetime import date

import pyarrow as pa
import pytest
from tests.unit.reports import nights

from nightslate.reports.reigns import growths, heard


def test_a_capital_is_the_product_of_the_days_in_their_order() -> None:
    terms = nights.evidence().to_pylist()
    first, second = growths(
        pa.Table.from_pylist(terms[::-1], nights.EVIDENCE), nights.promotions().to_pylist()
    )
    assert (first.challenger, second.challenger) == ("popularity", "linear_thompson")
    assert first.days[0] == date(2019, 11, 10)
    assert first.days == sorted(first.days)
    assert [math.exp(capital) for capital in first.log_capital] == pytest.approx(
        nights.CAPITALS["popularity"]
    )
    assert second.log_capital[-1] == pytest.approx(math.log(41.2))
    assert math.exp(second.needed) == pytest.approx(131.6, rel=1e-3)


def test_bets_are_mixed_after_the_days_and_not_within_them() -> None:
    rows = nights.evidence(("popularity",)).to_pylist()[:2]
    grows, falls = math.log(8), -math.log(8)
    growth = [[grows] + [falls] * 11, [grows] + [falls] * 11]
    terms = [row | {"log_growth": each} for row, each in zip(rows, growth, strict=True)]
    found = growths(pa.Table.from_pylist(terms, nights.EVIDENCE), nights.promotions().to_pylist())
    assert math.exp(found[0].log_capital[-1]) == pytest.approx((64 + 11 / 64) / 12)


def test_of_many_challengers_those_nearest_to_their_promotion_are_drawn_in_the_order_of_joining() -> None:
    row, terms = nights.promotions().to_pylist()[0], nights.evidence(("popularity",)).to_pylist()[:1]
    capitals = {"a": 9.0, "b": 1.0, "c": 8.0, "d": 7.0, "e": 2.0, "f": 6.0, "g": 5.0, "h": 4.0}
    promotions = [row | {"challenger": name, "joined": i} for i, name in enumerate(capitals, start=1)]
    table = pa.Table.from_pylist(
        [
            terms[0] | {"policy": name, "log_growth": [math.log(capital)] * nights.BETS}
            for name, capital in capitals.items()
        ],
        nights.EVIDENCE,
    )
    assert [growth.challenger for growth in growths(table, promotions)] == ["a", "c", "d", "f", "g", "h"]


def test_a_user_counts_once_whatever_the_number_of_challengers() -> None:
    found = heard(nights.evidence())
    assert found is not None
    assert (found.days, found.units, found.clipped, found.left_out) == (13, 18_200, 10, 39)
    assert (found.low, found.high, found.max_units) == (0.0, 1.0, 10)


def test_the_range_is_the_widest_of_any_day() -> None:
    rows = nights.evidence(("popularity",)).to_pylist()[:2]
    rows = [rows[0] | {"reward_low": -2.0, "reward_high": 3.0}, rows[1] | {"reward_high": 6.0}]
    found = heard(pa.Table.from_pylist(rows, nights.EVIDENCE))
    assert found is not None
    assert (found.low, found.high) == (-2.0, 6.0)


def test_before_the_first_day_nothing_was_heard() -> None:
    nothing = nights.EVIDENCE.empty_table()
    assert heard(nothing) is None
    assert growths(nothing, nights.promotions().to_pylist()) == []

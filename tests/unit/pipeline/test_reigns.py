"""Reigns from what nights recorded, in whatever order they ran."""

from datetime import date
from types import SimpleNamespace

import pyarrow as pa

from nightslate.pipeline.champion_reigns import Recorded, champions_of, recorded_reigns


def day(number):
    return date(2026, 1, number)


def reigns(*nights):
    """Nights as (day, champion before, champion after), two challengers each."""
    rows = [
        {"ds": day(number), "champion_before": before, "champion_after": after, "challenger": name}
        for number, before, after in nights
        for name in ("x", "y")
    ]
    schema = pa.schema(
        [("ds", pa.date32()), *((name, pa.string()) for name in ("champion_before", "champion_after"))]
    )
    return recorded_reigns(pa.Table.from_pylist(rows[::-1], schema), "u")


def test_before_any_night_the_first_champion_reigns():
    assert reigns() == [Recorded("u", None, 0)]


def test_a_promotion_begins_a_reign_and_its_night_was_a_look_of_the_one_before():
    nights = [(1, "u", "u"), (2, "u", "a"), (3, "a", "a"), (4, "a", "u"), (5, "u", "u")]
    assert reigns(*nights) == [Recorded("u", None, 2), Recorded("a", day(2), 2), Recorded("u", day(4), 1)]
    assert reigns(*nights[:2])[-1] == Recorded("a", day(2), 0)


def test_an_old_night_that_promotes_late_moves_nothing_of_those_that_were_recorded():
    stand = [(1, "u", "u"), (4, "u", "u"), (5, "u", "u")]
    assert reigns(*stand, (2, "u", "a"))[-1] == Recorded("u", None, 3)
    assert reigns(*stand, (2, "u", "a"), (3, "a", "a"))[-1] == Recorded("u", None, 3)


def test_a_promotion_that_its_night_takes_back_later_leaves_no_days_of_before_it():
    """Nobody knows any more when it became champion: at the latest on the first night that it was."""
    assert reigns((1, "u", "u"), (2, "u", "u"), (3, "a", "a"), (4, "a", "a")) == [Recorded("a", day(3), 2)]


def test_each_night_scored_with_the_champion_that_the_latest_night_before_it_left():
    nights = [(2, "a"), (2, "a"), (5, "b"), (9, "c")]
    looks = pa.table(
        {"ds": [day(n) for n, _ in nights[::-1]], "champion_after": [c for _, c in nights[::-1]]}
    )
    tonight = SimpleNamespace(ds=day(9), issue=SimpleNamespace(gate=SimpleNamespace(first_champion="u")))
    recorded = SimpleNamespace(rows=lambda *_: looks)
    found = champions_of(tonight, recorded, [day(n) for n in (1, 2, 3, 5, 6, 9)])
    assert list(found.values()) == ["u", "u", "a", "a", "b", "b"]

"""What promotions promised beside what came, from tables written by hand."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nightslate.core.evidence import Stakes, Term
from nightslate.kernels.evidence import EARNED
from nightslate.pipeline.evidence_table import evidence_since
from nightslate.pipeline.ledger_table import write_ledger

from .by_hand import START, day, night, replaced

STAKES = Stakes(0.0, 1.0, max_units=1)
USERS = np.arange(4000, dtype=np.uint64)


def promotion(policy: str, before: str, since: date, after: str | None = None) -> dict[str, object]:
    return {
        "issue": "all", "challenger": policy, "champion_before": before, "champion_after": after or policy,
        "decision": "kept" if after else "promoted", "reasons": [], "look": 1, "alpha": 0.03,
        "estimator": "betting", "reign_since": since,
    }  # fmt: skip


def terms(policy: str, about: str, share: float) -> dict[str, object]:
    """Of users of whom this share earned 1: bet on, or on minus that."""
    sign = EARNED.get(about, 1.0)
    stakes = STAKES.times(sign)
    reward = sign * (np.arange(USERS.size) < share * USERS.size)
    term = Term.initial().update(stakes, np.ones(USERS.size), None, reward, USERS)
    return {
        "issue": "all", "about": about, "policy": policy, "reference": None, "fitted_on": START,
        "reward_low": stakes.low, "reward_high": stakes.high, "margin": 0.0, "max_units": 1,
        "users": term.users, "units": term.units, "left_out": 0, "clipped": 0, "total": term.total,
        "log_growth": term.log_growth.tolist(),
    }  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Night 3 promotes popularity, night 6 linear_thompson; a day is whole on the day after it. Popularity
    promised .5 and earned .3 on days 4 to 6, and .9 on days that are not its own; its successor keeps its
    word."""
    for number in range(9):
        rows = []
        for policy, promised in (("popularity", 0.5), ("linear_thompson", 0.4)):
            rows.append(terms(policy, "value", promised))
            own = 4 <= number <= 6 if policy == "popularity" else number >= 7
            came = {"popularity": 0.3, "linear_thompson": 0.4}[policy] if own else 0.9
            rows += [terms(policy, about, came) for about in EARNED]
        replaced(night(tmp_path, number), "evidence", day(number), rows)
    replaced(night(tmp_path, 2), "promotions", day(2), [promotion("popularity", "uniform", START, "uniform")])
    replaced(night(tmp_path, 3), "promotions", day(3), [promotion("popularity", "uniform", START)])
    replaced(night(tmp_path, 6), "promotions", day(6), [promotion("linear_thompson", "popularity", day(3))])
    return tmp_path


def ledger(home: Path, number: int) -> list[dict[str, object]]:
    tonight = night(home, number)
    promotions, evidence = tonight.table("promotions"), tonight.table("evidence")
    write_ledger(tonight, promotions, evidence, tonight.table("ledger"))
    return tonight.rows("ledger").sort_by("promoted_on").to_pylist()


def test_before_any_promotion_the_ledger_is_empty(home: Path) -> None:
    assert ledger(home, 2) == []


def test_on_its_night_a_promotion_has_a_promise_and_nothing_that_came(home: Path) -> None:
    (entry,) = ledger(home, 3)
    assert (entry["policy"], entry["replaced"], entry["promoted_on"]) == ("popularity", "uniform", day(3))
    assert entry["promised"] == pytest.approx(0.5)
    assert 0.45 < entry["promised_lower"] < 0.5
    assert (entry["days"], entry["units"], entry["came"], entry["kept"]) == (0, 0, None, None)


def test_what_came_is_that_of_its_own_days_as_they_mature(home: Path) -> None:
    assert ledger(home, 4)[0]["days"] == 0
    for number, days in ((5, 1), (6, 2), (7, 3), (8, 3)):
        entry = ledger(home, number)[0]
        assert (entry["days"], entry["units"]) == (days, days * USERS.size)
        assert entry["came"] == pytest.approx(0.3)
        assert entry["came_lower"] < 0.3 < entry["came_upper"] < 0.4
        assert entry["kept"] is False


def test_a_promise_that_is_kept(home: Path) -> None:
    entry = ledger(home, 8)[1]
    assert (entry["policy"], entry["days"]) == ("linear_thompson", 1)
    assert entry["came"] == pytest.approx(0.4)
    assert entry["kept"] is True


def test_a_later_night_moves_nothing_of_an_earlier_ledger(home: Path) -> None:
    before = ledger(home, 5)
    ledger(home, 8)
    assert ledger(home, 5) == before


def test_days_in_another_currency_are_no_evidence(home: Path) -> None:
    """What was taken while a click was worth something else has no place beside what is taken now."""
    tonight = night(home, 8)
    evidence = tonight.table("evidence")
    before = evidence_since(tonight, evidence, START)["ds"].to_pylist()
    assert set(before) == set(tonight.rows("evidence", START)["ds"].to_pylist())
    assert set(before) == {day(number) for number in range(9)}
    other = {"rewards.values.click": "7.0"}
    replaced(night(home, 5), "evidence", day(5), [terms("popularity", "earned", 1.0)], other)
    left = evidence_since(tonight, evidence, START)
    assert set(left["ds"].to_pylist()) == {day(number) for number in range(9) if number != 5}
    assert ledger(home, 8)[0]["days"] == 2

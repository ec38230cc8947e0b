"""How touches share an outcome: tables by hand, and the game behind `shapley`."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.attribution import RULES, Rule, matched, pieces
from nightslate.core.errors import InvalidInputError

HOUR = 3_600_000_000


def rule(name, max_touches=100):
    return Rule(name, 2 * HOUR if name == "time_decay" else None, max_touches)


def shares(how, arms, hours, outcomes):
    """The shares of outcomes of one user, by outcome and impression. Impressions are given in any order."""
    arms, times = np.array(arms, dtype=np.int64), np.array(hours, dtype=np.int64) * HOUR
    outcome_times = np.array(outcomes, dtype=np.int64) * HOUR
    same = np.zeros(times.size, dtype=np.int64)
    touches = matched(
        same,
        times,
        same,
        lambda places: places,
        np.zeros(outcome_times.size, dtype=np.int64),
        outcome_times,
        np.full(outcome_times.size, 1000 * HOUR),
    )
    found = {}
    for piece in pieces(touches, how, times, arms, outcome_times):
        for outcome, impression, lag, share in zip(
            piece.outcome.tolist(), piece.impression.tolist(), piece.lag, piece.share, strict=True
        ):
            assert (outcome, impression) not in found
            assert lag == outcome_times[outcome] - times[impression]
            found[outcome, impression] = float(share)
    return found


def of_one(how, arms, hours, outcome=10):
    """The shares of each impression in one outcome."""
    found = shares(how, arms, hours, [outcome])
    return [found.get((0, place), 0.0) for place in range(len(arms))]


BY_HAND = {  # of impressions at the hours 9, 3, 7 and 5, of the arms 0, 1, 0 and 2, in an outcome at hour 9
    "last_touch": [1, 0, 0, 0],
    "first_touch": [0, 1, 0, 0],
    "linear": [1 / 4, 1 / 4, 1 / 4, 1 / 4],
    "time_decay": [8 / 15, 1 / 15, 4 / 15, 2 / 15],
    "position": [0.4, 0.4, 0.1, 0.1],
    "shapley": [1 / 6, 1 / 3, 1 / 6, 1 / 3],
}
LATEST_THREE = {  # without the one at hour 3, but for first_touch, which looks at all
    "last_touch": [1, 0, 0, 0],
    "first_touch": [0, 1, 0, 0],
    "linear": [1 / 3, 0, 1 / 3, 1 / 3],
    "time_decay": [4 / 7, 0, 2 / 7, 1 / 7],
    "position": [0.4, 0, 0.2, 0.4],
    "shapley": [1 / 4, 0, 1 / 4, 1 / 2],
}


def test_each_rule_has_its_table():
    assert set(BY_HAND) == set(LATEST_THREE) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_shares_are_those_by_hand(name):
    arms, hours = [0, 1, 0, 2], [9, 3, 7, 5]
    assert of_one(rule(name), arms, hours, 9) == pytest.approx(BY_HAND[name], rel=1e-12)
    assert of_one(rule(name, 3), arms, hours, 9) == pytest.approx(LATEST_THREE[name], rel=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_a_touch_alone_has_it_all(name):
    assert of_one(rule(name), [0], [3]) == [1.0]
    expected = [0, 1] if name != "first_touch" else [1, 0]
    assert of_one(rule(name, 1), [0, 1], [3, 4]) == expected


def test_position_halves_between_two():
    assert of_one(rule("position"), [0, 0], [3, 4]) == [0.5, 0.5]


def test_arms_share_equally_however_often_they_touch():
    found = of_one(rule("shapley"), [0, 0, 0, 1], [1, 2, 3, 4])
    assert found == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2], rel=1e-12)


def test_time_decay_survives_lags_of_thousands_of_half_lives():
    how = Rule("time_decay", 1000, 100)
    assert of_one(how, [0, 0], [1, 1], outcome=900) == [0.5, 0.5]
    assert of_one(how, [0, 0], [1, 2], outcome=900) == [0.0, 1.0]


def test_nothing_touched_gives_no_pieces():
    for name in RULES:
        assert shares(rule(name), [], [], [3]) == {}
        assert shares(rule(name), [0], [5], [3]) == {}
        assert shares(rule(name), [0], [5], []) == {}


touched = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(touched, st.lists(st.integers(0, 8), min_size=1, max_size=5))
def test_shapley_is_the_value_of_the_game_over_arms(impressions, outcomes):
    """A coalition of arms earns the outcomes whose touched arms all belong to it, 1 for each."""
    arms, hours = zip(*impressions, strict=True)
    players = sorted(set(arms))
    by_arm = dict.fromkeys(players, 0.0)
    for (_, impression), share in shares(rule("shapley"), arms, hours, outcomes).items():
        by_arm[arms[impression]] += share
    touching = [{arm for arm, hour in impressions if hour <= outcome} for outcome in outcomes]

    def earns(coalition):
        return sum(1 for those in touching if those and those <= set(coalition))

    def shapley_value(player):
        others, n = [arm for arm in players if arm != player], len(players)
        return sum(
            factorial(size) * factorial(n - size - 1) / factorial(n) * (earns((*c, player)) - earns(c))
            for size in range(n)
            for c in combinations(others, size)
        )

    assert by_arm == pytest.approx({arm: shapley_value(arm) for arm in players}, rel=1e-12, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(RULES), touched, st.lists(st.integers(0, 8), max_size=5), st.integers(1, 9))
def test_shares_of_an_outcome_sum_to_one(name, impressions, outcomes, most):
    arms, hours = zip(*impressions, strict=True)
    total = {}
    for (outcome, _), share in shares(rule(name, most), arms, hours, outcomes).items():
        assert 0 < share <= 1
        total[outcome] = total.get(outcome, 0.0) + share
    expected = {place for place, outcome in enumerate(outcomes) if outcome >= min(hours)}
    assert total == pytest.approx(dict.fromkeys(expected, 1.0), rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("last",), "last_touch"),
        (("time_decay",), "half"),
        (("time_decay", 0), "half"),
        (("linear", HOUR), "half"),
        (("linear", None, 0), "max_touches"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(arguments, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        Rule(*arguments)

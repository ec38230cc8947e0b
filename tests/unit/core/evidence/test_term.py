import itertools

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence import BETS, Stakes, Term, log_capital

COIN = Stakes(low=0.0, high=1.0)


def keys(*users):
    return np.array(users, dtype=np.uint64)


def term(stakes, challenger, champion, reward, user):
    return Term.initial().update(stakes, *map(np.array, (challenger, champion, reward)), keys(*user))


def a_cohort(seed, n=400, users=150):
    chance = np.random.default_rng(seed)
    return (
        chance.exponential(size=n),
        chance.exponential(size=n),
        chance.normal(0.3, 0.5, size=n),
        chance.integers(0, users, n).astype(np.uint64),
    )


def same(one, other):
    mine, theirs = one.arrays(), other.arrays()
    counts = ("users", "units", "left_out", "clipped")
    assert [int(mine[name]) for name in counts] == [int(theirs[name]) for name in counts]
    assert mine["total"] == pytest.approx(float(theirs["total"]), rel=1e-12)
    assert mine["log_growth"] == pytest.approx(theirs["log_growth"], rel=1e-12, abs=1e-12)


def test_bets_are_fractions():
    assert ((BETS > 0) & (BETS < 1)).all()
    assert len(set(BETS.tolist())) == BETS.size


def test_one_unit_by_hand():
    found = term(COIN, [3.0], [1.0], [1.0], [7])
    assert (found.users, found.units, found.left_out, found.clipped) == (1, 1, 0, 0)
    assert found.total == 2.0
    assert found.log_growth == pytest.approx(np.log(1 + 2 * BETS))


def test_users_multiply_and_units_of_one_user_add():
    stakes = Stakes(low=0.0, high=1.0, margin=0.25, max_units=2)
    found = term(stakes, [3.0, 0.5, 2.0], [1.0, 1.0, 0.5], [1.0, 1.0, 0.0], [7, 8, 7])
    of_7, of_8 = (2 - 0.25) + (-0.5 - 0.25), -0.5 - 0.25
    growth = np.log(1 + BETS * of_7 / 2.5) + np.log(1 + BETS * of_8 / 2.5)
    assert (found.users, found.units) == (2, 3)
    assert found.total == pytest.approx(1.0)
    assert found.log_growth == pytest.approx(growth)


def test_of_a_heavy_user_the_first_units_count():
    stakes = Stakes(low=0.0, high=1.0, max_units=2)
    heavy = term(stakes, [5.0, 0.0, 9.0, 2.0, 9.0], [1.0] * 5, [1.0] * 5, [1, 1, 1, 2, 1])
    light = term(stakes, [5.0, 0.0, 2.0], [1.0] * 3, [1.0] * 3, [1, 1, 2])
    assert (heavy.users, heavy.units, heavy.left_out) == (2, 3, 2)
    assert heavy.log_growth.tolist() == light.log_growth.tolist()
    assert heavy.total == light.total


def test_rewards_outside_of_the_range_are_clipped_and_counted():
    found = term(COIN, [3.0, 3.0, 3.0], [1.0] * 3, [4.0, -2.0, 1.0], [1, 2, 3])
    inside = term(COIN, [3.0, 3.0, 3.0], [1.0] * 3, [1.0, 0.0, 1.0], [1, 2, 3])
    assert (found.clipped, inside.clipped) == (2, 0)
    assert found.log_growth.tolist() == inside.log_growth.tolist()


def test_nobody_changes_nothing():
    empty = np.empty(0)
    found = Term.initial().update(COIN, empty, empty, empty, keys())
    same(found, Term.initial())
    assert (found.log_growth == 0).all()


def test_the_worst_that_can_happen_leaves_something_of_every_bet():
    stakes = Stakes(low=0.0, high=1.0, margin=0.5, max_units=3)
    found = term(stakes, [0.0] * 300, [0.0] * 300, [0.0] * 300, [*range(100)] * 3)
    assert found.log_growth == pytest.approx(100 * np.log1p(-BETS))
    assert np.isfinite(found.log_growth).all()


def test_huge_weights_stay_finite():
    found = term(COIN, [1e300, 0.0], [1.0, 1e300], [1.0, 1.0], [1, 2])
    assert np.isfinite(found.log_growth).all()
    assert found.log_growth == pytest.approx(np.log(BETS) + 300 * np.log(10) + np.log1p(-BETS))


@pytest.mark.parametrize("max_units", [1, 2, 1000])
def test_the_order_of_users_and_the_split_into_parts_do_not_matter(max_units):
    stakes = Stakes(low=-0.5, high=1.0, margin=0.1, max_units=max_units)
    whole = a_cohort(1)
    once = Term.initial().update(stakes, *whole)
    # users in another order, the units of each in their own
    order = np.lexsort((np.arange(len(whole[3])), whole[3] * np.uint64(0x9E3779B97F4A7C15)))
    shuffled = Term.initial().update(stakes, *(column[order] for column in whole))
    assert shuffled.log_growth.tolist() == once.log_growth.tolist()
    parts = [
        Term.initial().update(stakes, *(column[whole[3] % 3 == part] for column in whole))
        for part in range(3)
    ]
    same(parts[0].merge(parts[1]).merge(parts[2]), once)
    same(parts[2].merge(parts[0].merge(parts[1])), once)


def test_arrays_carry_the_whole_term():
    found = Term.initial().update(COIN, *a_cohort(2))
    again = Term.from_arrays(found.arrays())
    same(again, found)
    assert again.log_growth.tolist() == found.log_growth.tolist()
    with pytest.raises(InvalidInputError, match="log_growth must have shape"):
        Term.from_arrays({**found.arrays(), "log_growth": np.zeros(3)})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({0: np.array([-1.0, 1.0])}, "weights of the challenger must not be negative, the least is -1.0"),
        ({1: np.array([-0.5, 1.0])}, "weights of the champion must not be negative, the least is -0.5"),
        ({1: np.array([np.inf, 1.0])}, "weights of the champion has 1 of 2 values that are not finite"),
        ({2: np.array([np.nan, 1.0])}, "rewards has 1 of 2"),
        ({2: np.array([1.0])}, r"rewards must have shape \(2,\), got \(1,\)"),
        ({3: np.array([1, 2])}, "uint64"),
    ],
)
def test_what_cannot_be_read_is_refused(changes, complaint):
    given = {0: np.ones(2), 1: np.ones(2), 2: np.ones(2), 3: keys(1, 2)} | changes
    with pytest.raises(InvalidInputError, match=complaint):
        Term.initial().update(COIN, *(given[position] for position in range(4)))


# What follows enumerates worlds: each arm's probability in the log, and its chance of a reward of 1.

LOGGING = (0.2, 0.3, 0.5)
CHALLENGER = (0.6, 0.4, 0.0)


def outcomes(chances):
    """(probability, arm, reward) of all that may happen to one unit."""
    for arm, reward in itertools.product(range(3), (0.0, 1.0)):
        yield LOGGING[arm] * (chances[arm] if reward else 1 - chances[arm]), arm, reward


def expected_capital(stakes, champion, chances, users):
    """E[capital of each bet] over all that may happen to so many units, one for each of `users`."""
    total = np.zeros(BETS.size)
    for units in itertools.product(*(list(outcomes(chances)) for _ in users)):
        probability, arms, rewards = zip(*units, strict=True)
        arms = list(arms)
        weights = [np.array(policy)[arms] / np.array(LOGGING)[arms] for policy in (CHALLENGER, champion)]
        growth = term(stakes, *weights, rewards, users).log_growth
        total += np.prod(probability) * np.exp(growth)
    return total


BOUNDED = {"champion_weight_at_most": 1.6, "challenger_weight_at_most": 3.0}


@pytest.mark.parametrize("champion", [LOGGING, (0.1, 0.1, 0.8)])
@pytest.mark.parametrize("stakes", [COIN, Stakes(0, 1, **BOUNDED), Stakes(-1, 1, **BOUNDED)])
def test_on_the_boundary_of_the_null_the_capital_of_every_bet_is_expected_to_stay(champion, stakes):
    # one chance for all arms: no policy is better than another
    assert expected_capital(stakes, champion, (0.3, 0.3, 0.3), [1]) == pytest.approx(np.ones(BETS.size))
    assert expected_capital(stakes, champion, (0.3, 0.3, 0.3), [1, 2, 3]) == pytest.approx(np.ones(BETS.size))


@pytest.mark.parametrize("champion", [LOGGING, (0.1, 0.1, 0.8)])
@pytest.mark.parametrize("bounds", [{}, BOUNDED])
def test_the_margin_moves_the_boundary(champion, bounds):
    chances = (0.9, 0.3, 0.1)
    gain = float(np.dot(np.subtract(CHALLENGER, champion), chances))
    assert gain > 0
    at = Stakes(low=0.0, high=1.0, margin=gain, **bounds)
    assert expected_capital(at, champion, chances, [1, 2]) == pytest.approx(np.ones(BETS.size))
    above = Stakes(low=0.0, high=1.0, margin=gain + 0.05, **bounds)
    assert (expected_capital(above, champion, chances, [1, 2]) < 1).all()
    below = Stakes(low=0.0, high=1.0, margin=gain - 0.05, **bounds)
    assert (expected_capital(below, champion, chances, [1, 2]) > 1).all()


@pytest.mark.parametrize("chances", [(0.1, 0.3, 0.9), (0.0, 0.0, 1.0), (0.2, 0.2, 0.3)])
def test_a_worse_challenger_is_expected_to_lose_capital(chances):
    for users in ([1], [1, 1, 1], [1, 2, 2]):
        assert (expected_capital(Stakes(0.0, 1.0, max_units=2), LOGGING, chances, users) < 1).all()


def test_units_of_one_user_may_depend_on_each_other():
    """The second unit pays what the first one paid, whatever is shown: two copies of one coin."""
    stakes = Stakes(low=0.0, high=1.0, max_units=2)
    total = np.zeros(BETS.size)
    for paid, chance in ((1.0, 0.3), (0.0, 0.7)):
        for arms in itertools.product(range(3), repeat=2):
            weight = np.array(CHALLENGER)[list(arms)] / np.array(LOGGING)[list(arms)]
            growth = term(stakes, weight, [1.0, 1.0], [paid, paid], [1, 1]).log_growth
            total += chance * LOGGING[arms[0]] * LOGGING[arms[1]] * np.exp(growth)
    assert total == pytest.approx(np.ones(BETS.size))


def test_users_who_differ_are_judged_together():
    """One user loses by the challenger what another gains: on the whole it is not better, and the capital is
    expected to be 1 at most."""
    total = np.zeros(BETS.size)
    for first, second in itertools.product(outcomes((0.9, 0.3, 0.1)), outcomes((0.0, 0.0, 0.87))):
        arms = [first[1], second[1]]
        weight = np.array(CHALLENGER)[arms] / np.array(LOGGING)[arms]
        growth = term(COIN, weight, [1.0, 1.0], [first[2], second[2]], [1, 2]).log_growth
        total += first[0] * second[0] * np.exp(growth)
    gains = np.subtract(CHALLENGER, LOGGING) @ np.array([[0.9, 0.3, 0.1], [0.0, 0.0, 0.87]]).T
    assert gains.sum() <= 0 < gains[0]
    assert (total < 1).all()


def test_an_arm_that_by_luck_has_no_reward_is_hardly_any_evidence():
    """10,000 uniform rows over 80 arms, 38 rewards, none of the avoided arm's: every influence is positive,
    so that an interval of large samples is sure of what luck did."""
    arms = np.arange(10_000) % 80
    reward = ((np.arange(10_000) % 263 == 1) & (arms != 0)).astype(np.float64)
    weight = np.where(arms == 0, 0.1, 0.9 / 79 * 80 + 0.1)
    won = (weight - 1) * reward
    assert won.mean() > 2.5 * won.std() / 100
    found = term(COIN, weight, np.ones(10_000), reward, range(10_000))
    assert 0 < log_capital(found.log_growth[None]) < np.log(1.5)


def test_where_the_champion_did_not_log_a_bound_of_its_weights_saves_most_of_the_noise():
    """A uniform log, rewards of 1 %, two policies that favour an arm each: what is won by chance."""
    chance = np.random.default_rng(6)
    arm, reward = chance.integers(0, 4, 100_000), (chance.random(100_000) < 0.01).astype(np.float64)
    champion, challenger = (np.where(arm == favourite, 2.5, 0.5) for favourite in (0, 1))
    spread = {
        bound: float(np.std(Stakes(0, 1, 0, 1, bound).increments(challenger, champion, reward)))
        for bound in (None, 2.5)
    }
    assert spread[None] > 0.85
    assert spread[2.5] < 0.15

import itertools
import math

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence import (
    BETS,
    Stakes,
    Term,
    alpha_of,
    log_capital,
    log_capitals,
    lower_bound,
    value_lower_bound,
)

COIN = Stakes(low=0.0, high=1.0)
ALPHA = 0.05


def a_term(stakes, seed, users=200, gain=0.0, champion=True):
    """Two arms logged evenly; the challenger always shows the second, whose chance is `gain` higher."""
    chance = np.random.default_rng(seed)
    arm = chance.integers(0, 2, users)
    reward = stakes.low + stakes.span * (chance.random(users) < 0.3 + gain * arm)
    weights = 2.0 * arm, np.ones(users) if champion else None
    return Term.initial().update(stakes, *weights, reward, np.arange(users, dtype=np.uint64))


def stacked(terms):
    return np.array([each.units for each in terms]), np.array([each.log_growth for each in terms])


def test_the_parts_of_all_challengers_sum_to_alpha():
    assert alpha_of(ALPHA, 1) == pytest.approx(0.030396, abs=1e-6)
    assert alpha_of(ALPHA, 2) == pytest.approx(0.030396 / 4, abs=1e-6)
    parts = [alpha_of(ALPHA, joined) for joined in range(1, 10_001)]
    assert sum(parts) < ALPHA
    assert sum(parts) == pytest.approx(ALPHA, rel=1e-4)


@pytest.mark.parametrize(("alpha", "joined"), [(0.0, 1), (1.0, 1), (math.nan, 1), (0.05, 0)])
def test_parts_of_nothing_are_refused(alpha, joined):
    with pytest.raises(InvalidInputError):
        alpha_of(alpha, joined)


def test_before_the_first_cohort_the_capital_is_1():
    assert log_capital(np.empty((0, BETS.size))) == 0.0
    assert log_capital(np.zeros((3, BETS.size))) == 0.0


def test_the_capital_is_the_mean_over_bets_of_the_product_over_cohorts():
    growths = np.random.default_rng(3).normal(size=(4, BETS.size))
    expected = math.log(np.mean([math.prod(map(math.exp, column)) for column in growths.T]))
    assert log_capital(growths) == pytest.approx(expected)


def test_the_capital_after_each_cohort_is_that_of_the_cohorts_so_far():
    growths = np.random.default_rng(3).normal(size=(4, BETS.size))
    assert log_capitals(growths) == pytest.approx([log_capital(growths[:after]) for after in range(1, 5)])
    assert log_capitals(growths[:0]).shape == (0,)


def test_cohorts_group_in_any_way():
    growths = np.random.default_rng(4).normal(scale=30, size=(6, BETS.size))
    grouped = np.array([growths[:1].sum(axis=0), growths[1:4].sum(axis=0), growths[4:].sum(axis=0)])
    assert log_capital(grouped) == pytest.approx(log_capital(growths), rel=1e-12)


def test_growths_of_other_bets_are_refused():
    with pytest.raises(InvalidInputError, match="log_growths must have shape"):
        log_capital(np.zeros((2, BETS.size + 1)))


def test_the_capital_neither_overflows_nor_vanishes():
    assert log_capital(np.full((1000, BETS.size), 1e4)) == pytest.approx(1e7)
    assert log_capital(np.full((1000, BETS.size), -1e4)) == pytest.approx(-1e7)


def test_bets_that_follow_what_was_won_before_leave_the_null_alone():
    """Two cohorts of one unit each; the challenger of the second is chosen by how the first one ended."""
    logging = np.array([0.25, 0.75])
    policies = {0.0: np.array([1.0, 0.0]), 1.0: np.array([0.1, 0.9])}
    total = 0.0
    for (arm_1, paid_1), (arm_2, paid_2) in itertools.product(
        itertools.product((0, 1), (0.0, 1.0)), repeat=2
    ):
        probability = np.prod(
            [logging[a] * (0.4 if paid else 0.6) for a, paid in ((arm_1, paid_1), (arm_2, paid_2))]
        )
        growths = [
            Term.initial()
            .update(
                COIN, policy[[arm]] / logging[[arm]], np.ones(1), np.array([paid]), np.zeros(1, np.uint64)
            )
            .log_growth
            for policy, arm, paid in ((policies[0.0], arm_1, paid_1), (policies[paid_1], arm_2, paid_2))
        ]
        total += probability * math.exp(log_capital(np.array(growths)))
    assert total == pytest.approx(1.0)


def test_the_bound_exceeds_the_margin_exactly_where_the_capital_exceeds_what_is_needed():
    needed = -math.log(ALPHA)
    seen = set()
    for seed, margin in itertools.product(range(20), (-0.1, 0.0, 0.05)):
        stakes = Stakes(low=-1.0, high=1.0, margin=margin)
        units, growths = stacked([a_term(stakes, 2 * seed + k, gain=0.12) for k in range(2)])
        bound = lower_bound([stakes] * 2, units, growths, ALPHA)
        promoted = log_capital(growths) > needed
        assert (bound > margin) == promoted
        seen.add(promoted)
    assert seen == {True, False}


def test_the_bound_by_hand():
    """At the bound the mean over bets of prod(1 + f x) exp(-f D) is 1 / alpha, with D the distance of the
    bound from the margin in units of the scale."""
    stakes = Stakes(low=0.0, high=2.0, margin=0.5, max_units=2)
    growth = np.log1p(BETS * 3.0) * 40
    bound = lower_bound([stakes], np.array([60]), growth[None], ALPHA)
    distance = 60 * (bound - 0.5) / 2 / 2.5
    assert np.mean(np.exp(growth - BETS * distance)) == pytest.approx(1 / ALPHA)


def test_the_bound_closes_in_on_the_estimate():
    terms = [a_term(COIN, seed, users=2000, gain=0.3) for seed in range(30)]
    distances = []
    for count in (1, 5, 30):
        units, growths = stacked(terms[:count])
        estimate = sum(each.total for each in terms[:count]) / units.sum()
        distances.append(estimate - lower_bound([COIN] * count, units, growths, ALPHA))
    assert distances == sorted(distances, reverse=True)
    assert 0 < distances[-1] < 0.01 < 0.04 < distances[0] < 0.06


def test_nothing_is_known_of_nobody():
    assert lower_bound([], np.empty(0), np.empty((0, BETS.size)), ALPHA) is None
    assert value_lower_bound([COIN], np.zeros(1), np.zeros((1, BETS.size)), ALPHA) is None


def test_little_evidence_says_no_less_than_the_range():
    units, growths = stacked([a_term(COIN, 1, users=2)])
    assert lower_bound([COIN], units, growths, ALPHA) == -1.0
    stakes = Stakes(low=-3.0, high=1.0)
    units, growths = stacked([a_term(stakes, 1, users=2, champion=False)])
    assert value_lower_bound([stakes], units, growths, ALPHA) == -3.0


def test_ranges_may_change_between_cohorts():
    """Rewards of 0 or 1 under a range that became twice as wide, with the same truth."""
    wide = Stakes(low=-1.0, high=1.0)
    stakes, truth = [COIN, wide], 0.3 / 2
    held = []
    for seed in range(200):
        chance = np.random.default_rng(seed)
        terms = []
        for each in stakes:
            arm = chance.integers(0, 2, 500)
            reward = (chance.random(500) < 0.3 + 0.3 * arm).astype(np.float64)
            users = np.arange(500, dtype=np.uint64)
            terms.append(Term.initial().update(each, 2.0 * arm, np.ones(500), reward, users))
        held.append(lower_bound(stakes, *stacked(terms), ALPHA) <= truth)
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize("champion", [True, False])
def test_the_bound_holds_at_every_look(champion):
    """The challenger gains .1 on odd days and loses .1 on even ones: what is bounded is the mean so far."""
    stakes = Stakes(low=0.0, high=1.0)
    bound_of = lower_bound if champion else value_lower_bound
    missed, worlds = 0, 100
    for seed in range(worlds):
        terms, truths = [], []
        for day in range(10):
            gain = 0.1 if day % 2 else -0.1
            terms.append(a_term(stakes, 1000 * seed + day, users=150, gain=gain, champion=champion))
            truths.append(gain / 2 if champion else 0.3 + gain)
            units, growths = stacked(terms)
            if bound_of([stakes] * len(terms), units, growths, ALPHA) > np.mean(truths):
                missed += 1
                break
    assert missed / worlds <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / worlds)


def test_a_guess_of_the_value_brings_its_bound_closer():
    """Nine of ten are rewarded by a policy that logged: against 0 all of that counts as risk."""
    chance = np.random.default_rng(5)
    reward, users = (chance.random(2000) < 0.9).astype(np.float64), np.arange(2000, dtype=np.uint64)
    bounds = {}
    for guess in (0.0, 0.85):
        stakes = Stakes(low=0.0, high=1.0, margin=guess)
        found = Term.initial().update(stakes, np.ones(2000), None, reward, users)
        bounds[guess] = value_lower_bound([stakes], *stacked([found]), ALPHA)
    assert bounds[0.0] < 0.84 < 0.86 < bounds[0.85] < reward.mean()

"""What delays differ in: arms, what credits are worth, losses and gains."""

import numpy as np
import pytest

from nightslate.core.delay_differences import LEAST_CREDITS, larger_later, later_than_all, parts
from nightslate.core.maturity import Credited, DelaySums
from nightslate.core.product_limit import Truncated

DAY = 24 * 3600 * 10**6
WINDOWS = np.array([14 * DAY])


def world(seed, n, *, delay_days, worth=lambda _, n: np.ones(n), arms=2, users=None):
    """Sums over credits of impressions of 28 days. delay_days(arms, amounts): the mean of each credit."""
    dice = np.random.default_rng(seed)
    arm, amounts, ages = dice.integers(0, arms, n), worth(dice, n), dice.integers(0, 28 * DAY, n)
    mean = np.broadcast_to(delay_days(arm, amounts), n) * DAY
    within = -np.expm1(-WINDOWS[0] / mean)
    lags = (-mean * np.log1p(-dice.random(n) * within)).astype(np.int64)
    known = lags <= ages
    of = np.arange(n) if users is None else dice.integers(0, users, n)
    credited = Credited(np.zeros(n, np.int64), arm, amounts, lags, ages)
    shown = Credited(
        *(getattr(credited, name)[known] for name in ("kinds", "arms", "amounts", "lags", "ages"))
    )
    return DelaySums.zero(1, arms).update(WINDOWS, shown, of[known])


def found(sums, windows=WINDOWS):
    return {(part.name, part.arm): part for part in parts(sums, windows)}


def test_arms_that_come_later_are_named_with_how_late():
    of = found(world(1, 2000, delay_days=lambda arm, _: np.where(arm == 1, 6.0, 2.0)))
    early, late = of["arm", 0], of["arm", 1]
    assert early.differs
    assert late.differs
    assert early.later == pytest.approx(-late.later)
    assert late.later > 5
    assert early.median / DAY == pytest.approx(2 * np.log(2), abs=0.2)
    assert late.median / DAY == pytest.approx(6 * -np.log1p(-0.5 * -np.expm1(-14 / 6)), abs=0.6)
    assert of["all", None].median > early.median
    assert early.seen > of["all", None].seen > late.seen
    assert not of["all", None].differs
    assert ("number", None) not in of


@pytest.mark.parametrize("users", [None, 200])
def test_where_nothing_differs_hardly_a_night_says_so(users):
    nights = [
        parts(world(seed, 600, delay_days=lambda *_: 4.0, arms=5, users=users, worth=mixed), WINDOWS)
        for seed in range(200)
    ]
    scores = np.array([[part.later for part in night if part.name != "all"] for night in nights])
    assert scores.shape == (200, 5 + 3)
    assert np.abs(scores.mean(axis=0)).max() < 0.3
    assert scores.std(axis=0).max() < 1.2
    assert sum(any(part.differs for part in night) for night in nights) <= 6


def mixed(dice, n):
    """Gains and losses of many sizes."""
    return dice.choice([-1.0, 1.0, 1.0], n) * dice.lognormal(0.0, 0.5, n)


def test_large_credits_that_come_later_than_small_ones_are_seen():
    sums = world(
        2, 3000, delay_days=lambda _, amounts: 2.0 * amounts, worth=lambda d, n: d.choice([1.0, 3.0], n)
    )
    of = found(sums)["number", None]
    assert of.differs
    assert of.later < -5
    assert of.seen > 0.5 + 0.05
    assert of.median < found(sums)["all", None].median


def test_large_credits_that_come_sooner_are_what_a_decay_of_worth_makes():
    sums = world(
        2, 3000, delay_days=lambda _, amounts: 6.0 / amounts, worth=lambda d, n: d.choice([1.0, 3.0], n)
    )
    of = found(sums)["number", None]
    assert of.later > 5
    assert not of.differs


def test_an_arm_that_is_worth_more_and_comes_later_is_no_large_credit_that_comes_later():
    sums = world(
        3,
        3000,
        delay_days=lambda arm, _: np.where(arm == 1, 6.0, 2.0),
        worth=lambda dice, n: dice.choice([1.0, 3.0], n),
    )
    assert abs(found(sums)["number", None].later) < 3


@pytest.mark.parametrize(("of_losses", "of_gains"), [(7.0, 2.0), (2.0, 7.0)])
def test_losses_that_come_at_other_times_than_gains_are_seen(of_losses, of_gains):
    sums = world(
        4,
        3000,
        delay_days=lambda _, amounts: np.where(amounts < 0, of_losses, of_gains),
        worth=lambda dice, n: dice.choice([-1.0, 1.0, 1.0], n),
    )
    of = found(sums)
    losses, gains = of["losses", None], of["gains", None]
    assert losses.differs
    assert gains.differs
    assert (losses.later > 5) == (of_losses > of_gains)
    assert (losses.median > gains.median) == (of_losses > of_gains)
    assert losses.later == -gains.later
    assert losses.credits < gains.credits


def test_an_arm_with_few_credits_is_compared_with_nothing():
    rows = int(LEAST_CREDITS) - 1
    columns = np.zeros(rows, np.int64), np.arange(rows), np.ones(rows), np.arange(rows) * DAY
    credited = Credited(columns[0], columns[1] % 2, columns[2], columns[3], np.full(rows, 20 * DAY))
    of = found(DelaySums.zero(1, 2).update(WINDOWS, credited, np.arange(rows)))
    assert [of["arm", arm].later for arm in (0, 1)] == [None, None]
    assert not of["arm", 1].differs


def test_of_a_kind_that_nobody_knows_nothing_is_said():
    young = Credited(*np.array([[0, 0], [0, 1]]), np.ones(2), *np.array([[1, 2], [3 * DAY, 4 * DAY]]))
    (part,) = parts(DelaySums.zero(1, 2).update(WINDOWS, young, np.arange(2)), WINDOWS)
    assert (part.name, part.credits, part.median, part.seen, part.differs) == ("all", 2.0, None, None, False)
    (part,) = parts(DelaySums.zero(1, 2), WINDOWS)
    assert part.credits == 0.0


def test_a_group_that_is_all_there_is_comes_no_later():
    came = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    watched = np.array([[0.0, 0.0, 6.0], [0.0, 0.0, 0.0]])
    assert later_than_all(Truncated(came, watched), np.array([6.0, 0.0])).tolist() == [0.0, 0.0]


def test_scores_are_those_of_the_log_rank_test_by_hand():
    """Two groups, a credit a user, all watched to the end: at steps 2 and 1, backwards."""
    came = np.array([[0.0, 1.0, 3.0], [0.0, 4.0, 2.0]])
    watched = np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 6.0]])
    # step 2: 5 of 10 came, 4 at risk of group 0: 2 expected. Step 1: 5 of 5.
    variance = 0.5 * 0.5 * 4 * 0.6
    expected = (3 - 2) / np.sqrt(variance)
    scores = later_than_all(Truncated(came, watched), np.array([4.0, 6.0]))
    np.testing.assert_allclose(scores, [expected, -expected], rtol=1e-12)
    # the same as sizes 1 and 0 of one group, where variances are those of draws without replacement
    one = Truncated(came.sum(axis=0, keepdims=True), watched.sum(axis=0, keepdims=True))
    sized = Truncated(came[:1], watched[:1])
    by_hand = (3 - 2) / np.sqrt(5 * 0.4 * 0.6 * 5 / 9)
    assert larger_later(one, sized, sized, clumped=1.0) == pytest.approx(by_hand, rel=1e-12)
    assert larger_later(one, sized, sized, clumped=4.0) == pytest.approx(by_hand / 2, rel=1e-12)

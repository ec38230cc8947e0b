"""What the credits of young impressions stand for."""

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.delayed import VALUES, WAYS, logs

from nightslate.core.errors import InvalidInputError
from nightslate.core.maturity import STEPS, Credited, Delays, DelaySums

STEP = 7
WINDOW = STEP * STEPS
ONE = np.array([WINDOW])
BOTH = np.array([WINDOW, WINDOW // 4])
ODD = np.array([WINDOW + 3, WINDOW // 4])


def credited(*rows):
    """(kind, amount, lag, age)"""
    kinds, amounts, lags, ages = zip(*rows, strict=True) if rows else [()] * 4
    return Credited(
        np.array(kinds, np.int64),
        np.array(amounts, float),
        np.array(lags, np.int64),
        np.array(ages, np.int64),
    )


def observed(*rows, windows=ONE):
    return DelaySums.zero(len(windows)).update(windows, credited(*rows))


def kaplan_meier(lags):
    """Share of impressions without an outcome after each step, where each has at most one outcome and those
    without any (None) were watched for the whole window."""
    survival, curve = Fraction(1), []
    steps = [None if lag is None else -(-lag // STEP) for lag in lags]
    at_risk = len(steps)
    for step in range(STEPS + 1):
        events = steps.count(step)
        if at_risk:
            survival *= 1 - Fraction(events, at_risk)
        at_risk -= events
        curve.append(survival)
    return curve


@settings(max_examples=15, deadline=None)
@given(st.lists(st.none() | st.integers(0, WINDOW), min_size=1, max_size=30).filter(any))
def test_where_all_had_their_time_and_earn_at_most_once_it_is_kaplan_meier(lags):
    rows = [(0, 2.5, lag, WINDOW) for lag in lags if lag is not None]
    seen = observed(*rows).delays(ONE).seen[0]
    gone = [1 - share for share in kaplan_meier(lags)]
    np.testing.assert_allclose(seen, [float(share / gone[-1]) for share in gone], rtol=1e-12)


def product_limit(rows):
    """The share of credit within each step: of what came up to a step, from those who have had that step, all
    but what came just in it came before."""
    steps = [
        (abs(Fraction(amount)), -(-lag // STEP), min(age // STEP, STEPS)) for _, amount, lag, age in rows
    ]
    share, curve = Fraction(1), [1.0]
    for step in range(STEPS, 0, -1):
        risk = [(amount, took) for amount, took, had in steps if took <= step <= had]
        came = sum(amount for amount, took in risk if took == step)
        share *= 1 - came / sum(amount for amount, _ in risk) if came else 1
        curve.append(float(share))
    return curve[::-1]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.just(0), st.sampled_from([-2.0, 0.5, 1.0]), st.integers(0, WINDOW), st.integers(0, 2 * WINDOW)
        ),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_it_is_the_product_limit_of_truncated_delays_in_any_order_of_partitions(rows, dice):
    rows = [(0, 1.0, 3, WINDOW), *(row for row in rows if row[2] <= row[3])]
    expected = product_limit(rows)
    dice.shuffle(rows)
    merged = reduce(lambda one, other: one.merge(other), [observed(row) for row in rows])
    np.testing.assert_allclose(merged.delays(ONE).seen[0], expected, atol=1e-12)
    travelled = DelaySums.from_arrays(merged.arrays())
    np.testing.assert_array_equal(travelled.delays(ONE).seen, merged.delays(ONE).seen)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("late", [1e-9, 1.0])
def test_a_share_stays_a_share_where_sums_lose_what_is_small(late):
    young = [(0, amount, 0, STEP) for amount in (1e16, 3.3, 0.1)]
    seen = observed(*young, (0, late, 9 * STEP, WINDOW)).delays(ONE).seen[0]
    assert (seen[9:] == 1.0).all()
    assert (seen[:9] == 0.0).all()


def test_delays_stay_what_they_are_where_those_shown_later_earn_more():
    delay = {1: 0.5, 40: 0.3, 300: 0.15, STEPS: 0.05}
    earned_at_age = {WINDOW: 1.0, 310 * STEP: 7.0, 100 * STEP: 30.0, 2 * STEP: 500.0}
    rows = [
        (0, earned * share, step * STEP, age)
        for age, earned in earned_at_age.items()
        for step, share in delay.items()
        if step * STEP <= age
    ]
    seen = observed(*rows).delays(ONE).seen[0]
    np.testing.assert_allclose(seen[[0, 1, 39, 40, 300, STEPS]], [0, 0.5, 0.5, 0.8, 0.95, 1.0], atol=1e-12)


def known_delays(windows=BOTH):
    """Delays of two kinds, and the probability of each step (2, STEPS + 1)."""
    shares = np.random.default_rng(3).dirichlet(np.ones(STEPS + 1), size=2)
    seen = np.cumsum(shares, axis=1)
    seen[:, -1] = 1.0
    return Delays(windows, seen), shares


def test_credits_so_far_stand_for_those_to_come_on_average_at_every_age():
    delays, shares = known_delays()
    youngest = delays.least_age(0.1)
    for age in [*range(youngest, youngest + 3 * STEP), WINDOW // 3, WINDOW - 1, WINDOW, 3 * WINDOW]:
        for kind, window in enumerate(BOTH):
            lags = np.arange(STEPS + 1) * window // STEPS  # the latest moment of each step
            came = lags <= age
            rows = [(kind, -4.0, lag, age) for lag in lags[came]]
            assert shares[kind][came] @ delays.stands_for(credited(*rows)) == pytest.approx(-4.0, rel=1e-12)


def test_a_credit_in_the_step_that_the_impression_is_in_waits_for_its_end():
    delays, _ = known_delays()
    age = 300 * STEP + STEP - 1
    early, waiting = delays.stands_for(credited((0, 1.0, 300 * STEP, age), (0, 1.0, 300 * STEP + 1, age)))
    assert (early, waiting) == (1 / delays.seen[0, 300], 0.0)
    rows = [(0, 1.0, 300 * STEP + 1, age), (0, 1.0, WINDOW, WINDOW)]
    assert observed(*rows).came.sum() == 1.0


def test_an_impression_that_had_its_whole_window_earned_what_it_earned():
    delays, _ = known_delays()
    rows = [(0, 0.3, WINDOW, WINDOW), (1, -2.0, 0, WINDOW // 4), (0, 1.0, -5, 2 * WINDOW)]
    assert delays.stands_for(credited(*rows)).tolist() == [0.3, -2.0, 1.0]


def test_an_outcome_that_seems_earlier_than_its_impression_came_with_it():
    early, late = observed((0, 1.0, -5 * STEP, WINDOW)), observed((0, 1.0, 0, WINDOW))
    np.testing.assert_array_equal(early.came, late.came)


def test_an_impression_counts_from_the_age_on_at_which_enough_of_every_kind_is_seen():
    delays, _ = known_delays(ODD)
    for min_seen in np.linspace(0.05, 1, 39):
        youngest = delays.least_age(min_seen)
        had = [
            min(delays.seen[kind, min(age, window) * STEPS // window] for kind, window in enumerate(ODD))
            for age in (youngest - 1, youngest)
        ]
        assert had[0] < min_seen <= had[1]


@pytest.mark.parametrize(
    "rows",
    [[], [(0, 1.0, 5, WINDOW - 1)], [(0, 0.0, 5, WINDOW)]],
    ids=["no credit yet", "none that had its whole window", "worth nothing"],
)
def test_where_nobody_knows_how_late_a_kind_comes_its_whole_window_is_needed(rows):
    delays = observed(*rows).delays(ONE)
    assert delays.least_age(0.01) == WINDOW
    assert np.isnan(delays.medians()).all()
    assert delays.stands_for(credited((0, 3.0, 5, WINDOW))).tolist() == [3.0]
    with pytest.raises(InvalidInputError, match="1 credits are of impressions whose share"):
        delays.stands_for(credited((0, 3.0, 5, WINDOW // 2)))


def test_a_kind_that_is_known_needs_less_than_one_that_is_not():
    rows = [(1, 1.0, lag, WINDOW) for lag in (1, 2, 3, WINDOW // 8)]
    assert observed(*rows, windows=BOTH).delays(BOTH).least_age(0.5) == WINDOW
    late = (0, 1.0, WINDOW // 2, WINDOW)
    known = observed(*rows, late, windows=BOTH).delays(BOTH)
    assert known.least_age(0.5) == WINDOW // 2
    np.testing.assert_allclose(known.medians(), [WINDOW / 2, 2 * STEP / 4], rtol=1e-12)


def test_without_kinds_there_is_nothing_to_wait_for():
    none = np.array([], dtype=np.int64)
    delays = observed(windows=none).delays(none)
    assert delays.least_age(0.2) == 0
    assert delays.stands_for(credited()).tolist() == []


def test_a_window_may_be_as_long_as_a_program_can_say():
    window = 99_999 * 24 * 3600 * 10**6
    longest = np.array([window])
    delays = observed((0, 1.0, window // 2, window), windows=longest).delays(longest)
    assert delays.least_age(0.5) == window // 2


def test_counting_young_impressions_as_they_are_is_biased_and_weighting_them_is_not():
    errors = {way: [] for way in WAYS}
    rows = dict.fromkeys(WAYS, 0)
    for seed in range(200):
        for way, known in logs(daily=240, mean_delay_days=4, seed=seed).items():
            means = [known.reward[known.arm == arm].mean() for arm in range(len(VALUES))]
            errors[way].append(np.array(means) - VALUES)
            rows[way] += len(known.arm)
    z = {
        way: np.mean(found, axis=0) / np.std(found, axis=0) * np.sqrt(len(found))
        for way, found in errors.items()
    }
    assert (z["immature as zero"] < [-3, -15, -50]).all()
    assert (np.abs(z["exclude"]) < 3).all()
    assert (np.abs(z["ipcw"]) < 3).all()
    spread = {way: np.std(found, axis=0)[2] for way, found in errors.items()}
    assert rows["exclude"] < 0.55 * rows["immature as zero"] < 0.6 * rows["ipcw"]
    assert spread["ipcw"] < 0.8 * spread["exclude"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: observed(windows=np.array([0])), "windows must be 1 numbers"),
        (lambda: observed().delays(BOTH), "windows must be 1 numbers"),
        (lambda: observed((1, 1.0, 1, 9)), "kinds has 1 of 1 values outside 0..0"),
        (lambda: observed((0, np.nan, 1, 9)), "amounts has 1 of 1 values that are not finite"),
        (lambda: known_delays()[0].least_age(0.0), "min_seen must be a share"),
        (lambda: known_delays()[0].least_age(1.5), "min_seen must be a share"),
        (lambda: known_delays()[0].stands_for(credited((2, 1.0, 1, 9))), "kinds has 1 of 1 values"),
        (lambda: Credited(np.array([0]), np.ones(1), np.ones(1), np.array([1])), "lags must be integers"),
        (lambda: Credited(np.array([0]), np.ones(1), np.array([1]), np.array([1, 2])), "ages must be"),
    ],
)
def test_what_means_nothing_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()

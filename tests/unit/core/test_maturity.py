"""What the credits of young impressions stand for."""

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.delayed import VALUES, WAYS, logs

from nightslate.core.errors import InvalidInputError
from nightslate.core.maturity import OWN_CURVES, SHRINKAGE, STEPS, Credited, Delays, DelaySums

STEP = 7
WINDOW = STEP * STEPS
ONE = np.array([WINDOW])
BOTH = np.array([WINDOW, WINDOW // 4])
ODD = np.array([WINDOW + 3, WINDOW // 4])
ZERO = np.array([0])


def credited(*rows, arms=None):
    """(kind, amount, lag, age)"""
    kinds, amounts, lags, ages = zip(*rows, strict=True) if rows else [()] * 4
    return Credited(
        np.array(kinds, np.int64),
        np.array(arms if arms is not None else [0] * len(rows), np.int64),
        np.array(amounts, float),
        np.array(lags, np.int64),
        np.array(ages, np.int64),
    )


def observed(*rows, windows=ONE, arms=None, users=None, n_arms=1):
    """Each credit is one of a user of its own, unless `users` says otherwise."""
    users = np.arange(len(rows)) if users is None else np.array(users)
    return DelaySums.zero(len(windows), n_arms).update(windows, credited(*rows, arms=arms), users)


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
    return Delays(windows, seen, np.array([[0], [1]])), shares


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
    assert observed(*rows).of_kind(0).amounts.came.sum() == 1.0


def test_an_impression_that_had_its_whole_window_earned_what_it_earned():
    delays, _ = known_delays()
    rows = [(0, 0.3, WINDOW, WINDOW), (1, -2.0, 0, WINDOW // 4), (0, 1.0, -5, 2 * WINDOW)]
    assert delays.stands_for(credited(*rows)).tolist() == [0.3, -2.0, 1.0]


def test_an_outcome_that_seems_earlier_than_its_impression_came_with_it():
    early, late = observed((0, 1.0, -5 * STEP, WINDOW)), observed((0, 1.0, 0, WINDOW))
    np.testing.assert_array_equal(early.of_kind(0).amounts.came, late.of_kind(0).amounts.came)


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
    for way in ("exclude", "ipcw by kind", "ipcw"):
        assert (np.abs(z[way]) < 3).all()
    spread = {way: np.std(found, axis=0)[2] for way, found in errors.items()}
    assert rows["exclude"] < 0.55 * rows["immature as zero"] < 0.6 * rows["ipcw"]
    assert spread["ipcw"] < 0.8 * spread["exclude"]
    assert spread["ipcw"] < 1.02 * spread["ipcw by kind"]


def test_an_arm_whose_rewards_come_later_is_worth_what_it_is_worth():
    rates, evenly = np.array([[0.0, 0.0], [0.2, 0.2]]), np.full((2, 2), 0.5)
    found = {"ipcw by kind": [], "ipcw": []}
    for seed in range(200):
        log = logs(150, (2.0, 6.0), seed, rates=rates, logging_policy=evenly)
        for way, means in found.items():
            means.append([log[way].reward[log[way].arm == arm].mean() / 0.2 for arm in (0, 1)])
    bias = {way: np.mean(means, axis=0) - 1 for way, means in found.items()}
    stderr = {way: np.std(means, axis=0) / np.sqrt(200) for way, means in found.items()}
    assert (bias["ipcw by kind"] * [1, -1] > 0.05).all()
    assert (np.abs(bias["ipcw"]) < 3 * stderr["ipcw"] + 0.002).all()
    assert (np.abs(bias["ipcw"]) < 0.01).all()


def later_arm(*, early, late):
    """So many credits of arm 0 after 100 steps and of arm 1 after 300, all watched to the end."""
    rows = [(0, 2.0, 100 * STEP, WINDOW)] * early + [(0, 2.0, 300 * STEP, WINDOW)] * late
    return observed(*rows, arms=[0] * early + [1] * late, n_arms=3)


@pytest.mark.parametrize(("early", "late"), [(90, 10), (10, 90), (1000, 1)])
def test_an_arm_has_n_parts_of_its_own_delays_and_ten_of_those_of_all(early, late):
    delays = later_arm(early=early, late=late).delays(ONE)
    of_all = early / (early + late)
    own = delays.seen[delays.curve[0]][:, 200]
    expected = [
        (early * 1.0 + SHRINKAGE * of_all) / (early + SHRINKAGE),
        (late * 0.0 + SHRINKAGE * of_all) / (late + SHRINKAGE),
        of_all,
    ]
    np.testing.assert_allclose(own, expected, rtol=1e-12)
    np.testing.assert_array_equal(delays.seen[delays.curve[0, 2]], delays.seen[0])
    late_one = credited((0, 1.0, 5, 200 * STEP), arms=[1])
    assert delays.stands_for(late_one) == pytest.approx(1 / expected[1])


def test_what_a_user_earns_with_an_arm_counts_as_one_credit():
    rows = [(0, 2.0, 100 * STEP, WINDOW)] * 30 + [(0, 2.0, 300 * STEP, WINDOW)] * 30
    arms, users = [0] * 30 + [1] * 30, [*range(30), *[30, 31] * 15]
    delays = observed(*rows, arms=arms, users=users, n_arms=2).delays(ONE)
    share = delays.seen[delays.curve[0, 1], 200]
    assert share == pytest.approx(SHRINKAGE * 0.5 / (2 + SHRINKAGE), rel=1e-12)


def test_an_arm_that_is_young_has_late_delays_like_all_and_early_ones_of_its_own():
    old = [(0, 1.0, step * STEP, WINDOW) for step in (10, 50, 300, 400)] * 100
    young = [(0, 1.0, step * STEP, 60 * STEP) for step in (10, 10, 10, 50)] * 1000
    delays = observed(*old, *young, arms=[0] * len(old) + [1] * len(young), n_arms=2).delays(ONE)
    of_old, of_young = delays.seen[delays.curve[0]]
    assert of_young[60:] == pytest.approx(delays.seen[0, 60:], rel=1e-12)
    assert of_young[60] == pytest.approx(0.5)
    assert of_young[10] / of_young[60] == pytest.approx(0.75, abs=0.01)
    assert of_old[10] / of_old[60] == pytest.approx(0.5, abs=0.02)


def test_an_impression_counts_once_enough_is_seen_of_the_slowest_arm():
    delays = later_arm(early=500, late=500).delays(ONE)
    assert delays.least_age(0.4) == 300 * STEP
    assert observed(*[(0, 2.0, 100 * STEP, WINDOW)] * 5).delays(ONE).least_age(0.4) == 100 * STEP


def test_no_arm_knows_how_late_it_comes_before_any_had_its_whole_window():
    rows = [(0, 1.0, 5, WINDOW - 1), (0, 1.0, 9, WINDOW - 1)]
    delays = observed(*rows, arms=[0, 1], n_arms=2).delays(ONE)
    assert np.isnan(delays.seen[:, :-1]).all()
    assert delays.least_age(0.01) == WINDOW


def test_arms_beyond_the_thousand_with_the_most_credit_are_as_one():
    n_arms = OWN_CURVES + 20
    rows = [(0, 2.0 if arm < OWN_CURVES else 1.0, (arm % 500) * STEP, WINDOW) for arm in range(n_arms)]
    delays = observed(*rows, arms=range(n_arms), n_arms=n_arms + 5).delays(ONE)
    assert delays.seen.shape == (1 + OWN_CURVES + 1, STEPS + 1)
    curves = delays.curve[0]
    assert len(set(curves[:OWN_CURVES])) == OWN_CURVES
    assert set(curves[OWN_CURVES:n_arms]) == {1 + OWN_CURVES}
    assert set(curves[n_arms:]) == {0}


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_sums_of_users_merge_in_any_order_however_they_are_split(dice, parts):
    rows = [
        (dice.randrange(2), dice.choice([-1.0, 0.25, 2.0]), dice.randrange(WINDOW // 4), 2 * WINDOW)
        for _ in range(60)
    ]
    arms, users = ([dice.randrange(n) for _ in rows] for n in (4, 9))
    whole = observed(*rows, windows=BOTH, arms=arms, users=users, n_arms=4)
    split = [
        observed(
            *(row for row, user in zip(rows, users, strict=True) if user % parts == part),
            windows=BOTH,
            arms=[arm for arm, user in zip(arms, users, strict=True) if user % parts == part],
            users=[user for user in users if user % parts == part],
            n_arms=4,
        )
        for part in range(parts)
    ]
    dice.shuffle(split)
    merged = DelaySums.from_arrays(reduce(lambda one, other: one.merge(other), split).arrays())
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(merged.arrays()[name], array, rtol=1e-12)


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
        (lambda: known_delays()[0].stands_for(credited((0, 1.0, 1, 9), arms=[1])), "arms has 1 of 1 values"),
        (lambda: observed((0, 1.0, 1, 9), arms=[1]), "arms has 1 of 1 values outside 0..0"),
        (lambda: DelaySums.zero(1, 2).merge(DelaySums.zero(2, 1)), "cannot merge DelaySums"),
        (lambda: Credited(ZERO, ZERO, np.ones(1), np.ones(1), np.array([1])), "lags must be integers"),
        (lambda: Credited(ZERO, ZERO, np.ones(1), np.array([1]), np.array([1, 2])), "ages must be"),
    ],
)
def test_what_means_nothing_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()

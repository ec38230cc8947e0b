"""Sticky users: probabilities right given the past, the shares that were wanted, and the fewest who move."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from nightslate.core.allocation import (
    NEW,
    Limits,
    anew_probabilities,
    contextual_shares,
    daily_draws,
    drawn,
    first_draws,
    sticky_probabilities,
    within_step,
)
from nightslate.core.errors import InvalidInputError
from nightslate.core.experiments import allocated, segment_of
from nightslate.core.hashing import mix

EXACT = 1e-12
FIRST = date(2026, 3, 1)
USERS = 100_000
KEYS = mix(np.arange(USERS, dtype=np.uint64), 7)
MOST_ERRORS = 5
"""In standard errors: thousands of means are looked at, in runs that are the same every time."""


def normal(parts):
    return np.array(parts, dtype=np.float64) / sum(parts)


@st.composite
def share_histories(draw, least=0, nights=(2, 2)):
    """Shares of up to four variants on some nights, each a multiple of about a twentieth."""
    k = draw(st.integers(2, 4))
    parts = st.lists(st.integers(least, 20), min_size=k, max_size=k).filter(any)
    return [normal(each) for each in draw(st.lists(parts, min_size=nights[0], max_size=nights[1]))]


def transition(before, now):
    """(k, k) of each variant that was possible: the probabilities of the next."""
    there = np.flatnonzero(before > 0)
    matrix = np.zeros((len(now), len(now)))
    same = (np.tile(shares, (len(there), 1)) for shares in (before, now))
    matrix[there] = sticky_probabilities(*same, there)
    return matrix


@given(share_histories())
def test_shares_come_out_and_as_many_move_as_their_total_variation_distance(nights):
    before, now = nights
    matrix = transition(before, now)
    assert matrix[before > 0].sum(axis=1) == pytest.approx(1, abs=EXACT)
    assert (matrix >= 0).all()
    assert before @ matrix == pytest.approx(now, abs=EXACT)
    movers = before @ (1 - np.diag(matrix))
    assert movers == pytest.approx(np.abs(now - before).sum() / 2, abs=EXACT)
    assert (matrix[:, now == 0] == 0).all()
    for variant in np.flatnonzero((before > 0) & (now >= before)):
        assert matrix[variant, variant] == 1


def test_fewer_cannot_move_says_a_solver():
    generator = np.random.default_rng(3)
    for k in (2, 3, 5):
        before, now = generator.dirichlet(np.ones(k), 2)
        rows = [np.repeat(np.arange(k) == i, k) for i in range(k)]
        columns = [np.tile(np.arange(k) == i, k) for i in range(k)]
        cost = (1 - np.eye(k)).ravel()
        best = linprog(cost, A_eq=np.array([*rows, *columns], float), b_eq=np.concatenate([before, now]))
        movers = before @ (1 - np.diag(transition(before, now)))
        assert movers == pytest.approx(best.fun, abs=1e-9)


@settings(derandomize=True, max_examples=15, deadline=None)
@given(share_histories(least=2, nights=(3, 5)))
def test_along_any_sequence_of_shares_weights_have_mean_1_overall_and_given_the_past(history):
    """Users of all nights, by the shares of all nights: the marginal, the weight of each variant by what was
    before, and the weight of whole paths."""
    k, variant = len(history[0]), np.full(USERS, NEW)
    path, own = np.ones(USERS), np.zeros((len(history), USERS), dtype=np.int64)
    shares = [np.tile(each, (USERS, 1)) for each in history]
    for night, now in enumerate(shares):
        probabilities = sticky_probabilities(shares[max(night - 1, 0)], now, variant)
        draws = first_draws("s", KEYS) if not night else daily_draws("s", KEYS, day(night))
        past, variant = variant, drawn(probabilities, draws)
        own[night] = variant
        path *= probabilities[np.arange(USERS), variant]
        frequency = np.bincount(variant, minlength=k) / USERS
        assert_near(frequency, history[night], np.sqrt(history[night] * (1 - history[night]) / USERS))
        for there in (past >= NEW, *(past == each for each in range(k))):
            assert_weights_of_1(probabilities[there], variant[there])
    for chosen in range(k):
        weight = (own == chosen).all(axis=0) / path
        assert_near(weight.mean(), 1, weight.std() / np.sqrt(USERS))


def test_the_share_of_the_day_is_no_weight_where_scores_react_to_treatment():
    """Half of the users are harmed when treated, and their score falls then: what the day's share counts
    twice among them, the product of conditional probabilities counts once."""
    limits = Limits(np.array([0.5, 0.5]), 0, range=0.4, risk_tolerance=0.0, scale=1.0, floor=0.05)
    harmed_if_treated = daily_draws("who", KEYS, FIRST) < 0.5
    first = contextual_shares(limits, np.zeros((USERS, 2)))
    treated = drawn(first, first_draws("s", KEYS))
    harmed = harmed_if_treated & (treated == 1)
    scores = np.column_stack([np.zeros(USERS), np.where(harmed, -1.0, 0.0)])
    now = contextual_shares(limits, scores)
    conditional = sticky_probabilities(first, now, treated)
    tonight = drawn(conditional, daily_draws("s", KEYS, day(1)))
    still = (tonight == 1)[harmed]
    by_day = still / now[harmed, 1]
    given_the_past = still / conditional[harmed, 1]
    assert_near(by_day.mean(), 2, by_day.std() / np.sqrt(harmed.sum()))
    assert_near(given_the_past.mean(), 1, given_the_past.std() / np.sqrt(harmed.sum()))
    # All users, whom the treatment would harm: those who were treated on both days, by the whole path.
    path = (
        probabilities[np.arange(USERS), own]
        for probabilities, own in ((first, treated), (conditional, tonight))
    )
    weights = (treated == 1) * (tonight == 1) / np.prod(list(path), axis=0)
    of_both = weights[harmed_if_treated]
    assert_near(of_both.mean(), 1, of_both.std() / np.sqrt(len(of_both)))


def test_weights_of_paths_have_mean_1_over_nights_on_which_scores_react_to_every_treatment_so_far():
    """Three variants over a week of nights; scores fall by what a user has had of each treatment, some are
    harmed more, shares are bound to a step a night, one treatment is stopped for a night and comes back."""
    limits = Limits(np.array([0.4, 0.3, 0.3]), 0, range=0.25, risk_tolerance=0.0, scale=0.1, floor=0.05)
    stopped = Limits(np.array([0.7, 0.3, 0.0]), 0, range=0.25, risk_tolerance=0.0, scale=0.1, floor=0.05)
    fragile = daily_draws("who", KEYS, FIRST) < 0.3
    had, shares = np.zeros((USERS, 3)), np.full((USERS, 3), np.nan)
    variant, path, own = np.full(USERS, NEW), np.ones(USERS), []
    for night in range(7):
        scores = 0.3 - had * np.where(fragile, 1.5, 0.3)[:, None]
        before, of = shares, stopped if night == 4 else limits
        shares = within_step(before, contextual_shares(of, scores), 0.15)
        probabilities = sticky_probabilities(before, shares, variant)
        past, variant = variant, drawn(probabilities, daily_draws("s", KEYS, day(night)))
        path *= probabilities[np.arange(USERS), variant]
        own.append(variant)
        had[np.arange(USERS), variant] += 1
        for there in (fragile, *(past == each for each in range(3))):
            assert_weights_of_1(probabilities[there], variant[there])
    lasting = {0: slice(0, 7), 1: slice(0, 7), 2: slice(0, 4)}  # the last one until it is stopped
    for chosen, nights in lasting.items():
        there = (np.array(own[nights]) == chosen).all(axis=0)
        assert there.sum() > USERS / 100
        if nights.stop == 7:
            for stratum in (fragile, ~fragile):
                weight = (there / path)[stratum]
                assert_near(weight.mean(), 1, weight.std() / np.sqrt(stratum.sum()))


def test_nobody_moves_whose_variant_did_not_lose_and_all_leave_one_that_is_stopped():
    generator = np.random.default_rng(5)
    before = generator.dirichlet(np.ones(3), USERS)
    variant = drawn(before, generator.random(USERS))
    now = within_step(before, generator.dirichlet(np.ones(3), USERS), 0.2)
    now[::2] = [0.0, 0.4, 0.6]
    probabilities = sticky_probabilities(before, now, variant)
    tonight = drawn(probabilities, daily_draws("s", KEYS, FIRST))
    was, there = np.arange(USERS), tonight != variant
    assert (now[was, variant] < before[was, variant])[there].all()
    assert (now[was, tonight] > before[was, tonight])[there].all()
    assert (tonight[::2] != 0).all()
    assert (tonight[::2] != variant[::2]).any()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=EXACT)
    assert_near(there.mean(), np.abs(now - before).sum() / 2 / USERS, np.sqrt(0.25 / USERS))


def test_users_who_are_new_draw_by_the_shares_of_tonight():
    now = np.array([[0.2, 0.8], [0.2, 0.8]])
    before = np.array([[np.nan, np.nan], [0.4, 0.6]])
    probabilities = sticky_probabilities(before, now, np.array([NEW, 0]))
    assert probabilities == pytest.approx(np.array([[0.2, 0.8], [0.5, 0.5]]))
    assert (anew_probabilities(now) == now).all()


def test_equal_shares_keep_everybody_and_an_id_that_is_created_again_keeps_its_variant():
    shares = np.tile([0.3, 0.5, 0.2], (USERS, 1))
    first = drawn(shares, first_draws("s", KEYS))
    for number in range(3):
        probabilities = sticky_probabilities(shares, shares, first)
        assert (probabilities[np.arange(USERS), first] == 1).all()
        assert (drawn(probabilities, daily_draws("s", KEYS, day(number))) == first).all()
    anew = sticky_probabilities(np.full((USERS, 3), np.nan), shares, np.full(USERS, NEW))
    assert (drawn(anew, first_draws("s", KEYS)) == first).all()
    # As experiments begin whose shares follow no context.
    segments = allocated({"a": 0.3, "b": 0.5, "c": 0.2}, FIRST)
    assert (segment_of(segments, first_draws("s", KEYS)) == first).all()


def test_draws_of_days_of_salts_and_of_users_are_independent():
    draws = [first_draws("s", KEYS), first_draws("other", KEYS)]
    draws += [daily_draws("s", KEYS, day(0)), daily_draws("s", KEYS, day(1)), daily_draws("t", KEYS, day(0))]
    correlation = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert_near(correlation, 0, 1 / np.sqrt(USERS))
    assert all(left.tolist() != right.tolist() for left, right in pairwise(draws))


def test_what_is_drawn_is_the_same_for_some_users_alone():
    generator = np.random.default_rng(5)
    before, now = generator.dirichlet(np.ones(4), (2, USERS))
    variant = generator.integers(NEW, 4, USERS)
    probabilities = sticky_probabilities(before, now, variant)
    some = generator.permutation(USERS)[:500]
    assert (sticky_probabilities(before[some], now[some], variant[some]) == probabilities[some]).all()
    tonight = drawn(probabilities, daily_draws("s", KEYS, FIRST))
    assert (drawn(probabilities[some], daily_draws("s", KEYS[some], FIRST)) == tonight[some]).all()


def test_no_variant_of_probability_0_is_drawn_not_even_at_the_ends():
    ends = np.array([2.0**-53, 0.25, 0.5, 0.75, 1 - 2.0**-53])
    for probabilities in ([0, 1, 0], [0.5, 0, 0.5], [0, 0.3, 0.7], [0.1 + 0.2, 0.7 - EXACT / 2, 0]):
        drawn_at = drawn(np.tile(probabilities, (5, 1)), ends)
        assert (np.array(probabilities)[drawn_at] > 0).all()
        assert (np.diff(drawn_at) >= 0).all()
    assert drawn(np.tile([0.25, 0.25, 0.5], (5, 1)), ends).tolist() == [0, 1, 2, 2, 2]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), st.floats(0, 1, exclude_min=True))
def test_draws_invert_the_distribution_function(parts, uniform):
    probabilities = normal(parts)
    place = int(drawn(probabilities[None], np.array([min(uniform, 1 - 2.0**-53)]))[0])
    assert probabilities[place] > 0
    assert probabilities[:place].sum() <= uniform + EXACT
    assert probabilities[: place + 1].sum() >= uniform - EXACT


def test_users_in_a_variant_that_was_impossible_and_shares_that_are_none_are_refused():
    half, other = np.full((2, 2), 0.5), np.array([[1.0, 0.0], [np.nan, np.nan]])
    with pytest.raises(InvalidInputError, match="2 users were in a variant"):
        sticky_probabilities(other, half, np.array([1, 0]))
    with pytest.raises(InvalidInputError, match="got 0 to 2"):
        sticky_probabilities(half, half, np.array([0, 2]))
    with pytest.raises(InvalidInputError, match="shape"):
        sticky_probabilities(half, half, np.array([0]))
    with pytest.raises(InvalidInputError, match="none gains"):
        sticky_probabilities(half, half - 0.1, np.array([0, 1]))
    with pytest.raises(InvalidInputError, match="1 users do not sum to 1"):
        drawn(np.array([[0.5, 0.5], [0.5, 0.4]]), np.array([0.1, 0.1]))
    with pytest.raises(InvalidInputError, match="as many uniforms"):
        drawn(half, np.array([0.1]))


def day(number):
    return FIRST + timedelta(days=number)


def assert_near(found, expected, error):
    assert (np.abs(found - expected) <= MOST_ERRORS * error + EXACT).all(), (found, expected, error)


def assert_weights_of_1(probabilities, variant):
    """Of each variant: 1 / p of those who drew it has mean 1 over all who could."""
    for place, p in enumerate(probabilities.T):
        able = p > 0
        if able.any():
            weight = (variant[able] == place) / p[able]
            error = np.sqrt(((1 - p[able]) / p[able]).sum()) / able.sum()
            assert_near(weight.mean(), 1, error)

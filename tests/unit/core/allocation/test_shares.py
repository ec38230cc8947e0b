"""Shares by context: never off their limits, and never further from one night to the next than allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.allocation import Limits, contextual_shares, ruled_shares, within_step
from nightslate.core.errors import InvalidInputError

EXACT = 1e-12
NUMBERS = st.floats(-5, 5) | st.just(float("nan")) | st.just(float("inf"))


def limits(baseline=(0.5, 0.5), **settings):
    given = {"control": 0, "range": 0.3, "risk_tolerance": 0.0, "scale": 1.0, "floor": 0.05}
    return Limits(np.array(baseline), **(given | settings))


@st.composite
def any_limits(draw):
    """Of up to five variants, some of them out, each that is in above the floor."""
    parts = draw(st.lists(st.integers(0, 20), min_size=2, max_size=5))
    control = draw(st.integers(0, len(parts) - 1))
    parts[control] += 1
    baseline = np.array(parts) / sum(parts)
    least = baseline[baseline > 0].min()
    return Limits(
        baseline,
        control,
        range=draw(st.floats(0, 1)),
        risk_tolerance=draw(st.floats(-2, 2)),
        scale=draw(st.floats(0, 10)),
        floor=draw(st.floats(0.01, 1)) * least,
    )


@st.composite
def of_users(draw, elements=NUMBERS):
    """Limits, and numbers of a few users for each of their variants."""
    of = draw(any_limits())
    users, k = draw(st.integers(1, 4)), len(of.baseline)
    numbers = draw(st.lists(elements, min_size=users * k, max_size=users * k))
    return of, np.array(numbers).reshape(users, k)


@st.composite
def two_nights(draw):
    """Shares of some users last night and what is wanted tonight, where some variants are out on either."""
    users, k = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    nights = []
    for _ in range(2):
        parts = draw(st.lists(st.integers(0, 20), min_size=users * k, max_size=users * k))
        parts = np.array(parts, dtype=np.float64).reshape(users, k)
        parts[:, 0] += 1
        nights.append(parts / parts.sum(axis=1, keepdims=True))
    return *nights, draw(st.floats(0.01, 1))


@given(of_users())
def test_shares_are_probabilities_within_range_and_floor_whatever_the_scores(given):
    of, scores = given
    shares = contextual_shares(of, scores)
    there = of.baseline > 0
    assert shares.sum(axis=1) == pytest.approx(1, abs=EXACT)
    assert (shares[:, there] >= of.floor).all()
    assert (shares[:, ~there] == 0).all()
    treatments = shares[:, of.treatments]
    assert (np.abs(treatments - of.baseline[of.treatments]) <= of.range + EXACT).all()
    assert (treatments <= 1 - of.floor + EXACT).all()


@given(of_users())
def test_a_user_under_the_tolerance_is_never_moved_to_a_treatment_and_one_above_never_off_it(given):
    of, scores = given
    off = contextual_shares(of, scores) - of.baseline
    for place in of.treatments:
        assert (off[scores[:, place] < of.risk_tolerance, place] <= EXACT).all()
        assert (off[scores[:, place] > of.risk_tolerance, place] >= -EXACT).all()


@given(of_users(st.floats(-5, 5)))
def test_what_a_low_score_takes_off_is_taken_off_in_full(given):
    of, scores = given
    shares = contextual_shares(of, scores)
    for place in of.treatments:
        alone = of.baseline[place] + np.clip(of.scale * (scores[:, place] - of.risk_tolerance), -of.range, 0)
        low = scores[:, place] < of.risk_tolerance
        assert shares[low, place] == pytest.approx(np.maximum(alone[low], of.floor), abs=EXACT)


@given(any_limits())
def test_at_the_tolerance_and_without_a_score_shares_are_the_baseline_bit_for_bit(of):
    k = len(of.baseline)
    for score in (of.risk_tolerance, np.nan):
        assert (contextual_shares(of, np.full((2, k), score)) == of.baseline).all()


def test_shares_of_two_variants_by_hand():
    of = limits(scale=0.5, risk_tolerance=0.1)
    scores = np.array([0.1, 0.3, -0.3, 9.0, -9.0, np.nan])
    shares = contextual_shares(of, np.column_stack([np.full(6, np.nan), scores]))
    assert shares[:, 1] == pytest.approx([0.5, 0.6, 0.3, 0.8, 0.2, 0.5])
    near_the_end = contextual_shares(limits((0.1, 0.9)), np.array([[0.0, 9.0], [0.0, -9.0]]))
    assert near_the_end[:, 1] == pytest.approx([0.95, 0.6])


def test_treatments_that_want_more_than_there_is_rise_by_one_factor():
    of = limits((0.2, 0.4, 0.3, 0.1), floor=0.1)
    # Rises of 0.3 and 0.1; 0.1 is left of the control above its floor, 0.05 is what the last one falls by: 0.
    shares = contextual_shares(of, np.array([[0.0, 0.3, 0.1, -0.05]]))
    assert shares == pytest.approx(np.array([[0.1, 0.475, 0.325, 0.1]]))
    # One falls by 0.2: there are 0.3 for rises of 0.4.
    of = limits((0.2, 0.3, 0.3, 0.2), floor=0.1, range=0.4)
    shares = contextual_shares(of, np.array([[0.0, 0.3, -0.2, 0.1]]))
    assert shares == pytest.approx(np.array([[0.1, 0.525, 0.1, 0.275]]))


def test_shares_are_the_same_bits_whatever_users_there_are_beside():
    generator = np.random.default_rng(1)
    of = limits((0.3, 0.3, 0.4))
    scores, before = generator.normal(size=(200_000, 3)), generator.dirichlet(np.ones(3), 200_000)
    shares = contextual_shares(of, scores)
    stepped = within_step(before, shares, 0.1)
    some = generator.permutation(200_000)[:1000]
    assert (contextual_shares(of, scores[some]) == shares[some]).all()
    assert (within_step(before[some], shares[some], 0.1) == stepped[some]).all()


def test_a_rule_leaves_the_floor_to_the_others_and_never_revives_what_is_out():
    of = limits((0.4, 0.4, 0.0, 0.2))
    shares = contextual_shares(of, np.zeros((3, 4)))
    users = np.array([True, False, True])
    ruled = ruled_shares(of, shares, users, 3)
    assert ruled[users] == pytest.approx(np.array([[0.05, 0.05, 0.0, 0.9]] * 2))
    assert (ruled[1] == of.baseline).all()
    assert (ruled_shares(of, shares, users, 2) == shares).all()
    assert (shares == of.baseline).all()
    with pytest.raises(InvalidInputError, match="variant 4"):
        ruled_shares(of, shares, users, 4)


@given(two_nights())
def test_no_share_moves_further_than_the_limit_and_none_beyond_what_is_wanted(nights):
    before, wanted, limit = nights
    tonight = within_step(before, wanted, limit)
    assert tonight.sum(axis=1) == pytest.approx(1, abs=EXACT)
    assert (tonight[wanted == 0] == 0).all()
    lower, upper = np.minimum(before, wanted), np.maximum(before, wanted)
    assert (tonight >= lower - EXACT).all()
    assert (tonight <= upper + EXACT).all()
    unstopped = ~((wanted == 0) & (before > 0)).any(axis=1)
    assert (np.abs(tonight - before)[unstopped] <= limit + EXACT).all()
    # Where one is stopped, others gain what it had, and may move by the limit besides.
    freed = np.where(wanted == 0, before, 0).sum(axis=1, keepdims=True)
    assert (
        np.abs(tonight - before)[wanted > 0]
        <= np.broadcast_to(limit + freed + EXACT, wanted.shape)[wanted > 0]
    ).all()


@given(two_nights())
def test_nights_arrive_at_what_is_wanted(nights):
    shares, wanted, limit = nights
    for _ in range(int(1 / limit) + 2):
        shares = within_step(shares, wanted, limit)
    assert (shares == wanted).all()


def test_steps_by_hand():
    before = np.array([[0.5, 0.5], [0.5, 0.5], [np.nan, np.nan], [0.5, 0.5]])
    wanted = np.array([[0.1, 0.9], [0.45, 0.55], [0.1, 0.9], [1.0, 0.0]])
    tonight = within_step(before, wanted, 0.1)
    assert tonight == pytest.approx(np.array([[0.4, 0.6], [0.45, 0.55], [0.1, 0.9], [1.0, 0.0]]))
    # The second is stopped: the first and the third gain 0.2 and 0.2 of its 0.4, and nothing is left to move.
    # In the second row the third one falls besides: by the limit.
    before = np.array([[0.3, 0.4, 0.3], [0.3, 0.2, 0.5]])
    wanted = np.array([[0.5, 0.0, 0.5], [0.8, 0.0, 0.2]])
    assert within_step(before, wanted, 0.1) == pytest.approx(np.array([[0.5, 0.0, 0.5], [0.6, 0.0, 0.4]]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": (0.5, 0.4)}, "sum 1"),
        ({"baseline": (0.0, 1.0)}, "without a control"),
        ({"control": 2}, "control"),
        ({"floor": 0.0}, "floor"),
        ({"baseline": (0.97, 0.03)}, "floor"),
        ({"range": 1.5}, "range"),
        ({"scale": -1.0}, "scale"),
        ({"risk_tolerance": np.nan}, "risk_tolerance"),
    ],
)
def test_limits_that_are_none_are_refused(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        limits(**settings)


def test_other_shapes_are_refused():
    with pytest.raises(InvalidInputError, match="n, 2"):
        contextual_shares(limits(), np.zeros((4, 3)))
    with pytest.raises(InvalidInputError, match="shares before"):
        within_step(np.zeros((4, 3)), np.zeros((4, 2)), 0.1)
    with pytest.raises(InvalidInputError, match="1 users have shares in part"):
        within_step(np.array([[0.5, np.nan], [0.5, 0.5]]), np.full((2, 2), 0.5), 0.1)

"""What shares users have: as counting them one by one has it, however they are split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.allocation import Limits
from nightslate.core.allocation.share_sums import ASKED, SHARES, Drawn, ShareSums, asked_of

LIMITS = Limits(np.array([0.5, 0.3, 0.2]), 0, range=0.4, risk_tolerance=0.1, scale=2.0, floor=0.05)
CELLS = 3


def users(n, seed):
    """Users of three variants, with the cell of each."""
    random = np.random.default_rng([n, seed])
    shares = random.dirichlet(np.ones(3), n)
    shares[: n // 3] = LIMITS.baseline
    scores = np.where(random.random((n, 3)) < 0.3, np.nan, random.normal(0, 0.3, (n, 3)))
    scores[:, 0] = np.nan
    drawn = Drawn(shares, random.integers(0, 3, n), random.integers(-1, 3, n), scores)
    return drawn, random.integers(-1, CELLS, n)


def some(drawn, rows):
    return Drawn(drawn.shares[rows], drawn.variant[rows], drawn.before[rows], drawn.scores[rows])


def one_by_one(drawn, cell, wanted):
    """The figures of a cell, user by user."""
    found = {name: [0, 0, 0] for name in ("drawn", "came", "left", "scored", "below", "share", "score")}
    total, apart = 0, 0
    for user in np.flatnonzero(cell == wanted):
        now, before = drawn.variant[user], drawn.before[user]
        total += 1
        apart += any(abs(a - b) > 1e-9 for a, b in zip(drawn.shares[user], LIMITS.baseline, strict=True))
        found["drawn"][now] += 1
        if before >= 0 and before != now:
            found["came"][now] += 1
            found["left"][before] += 1
        for variant in range(3):
            found["share"][variant] += drawn.shares[user, variant]
            score = drawn.scores[user, variant]
            if not np.isnan(score):
                found["scored"][variant] += 1
                found["below"][variant] += score < LIMITS.risk_tolerance
                found["score"][variant] += score
    return {"users": total, "apart": apart, **found}


@given(n=st.integers(0, 60), seed=st.integers(0, 5))
def test_they_are_what_counting_one_by_one_gives(n, seed):
    drawn, cell = users(n, seed)
    for wanted, sums in enumerate(ShareSums.by_cell(LIMITS, drawn, cell, CELLS)):
        for name, figure in one_by_one(drawn, cell, wanted).items():
            np.testing.assert_allclose(getattr(sums, name), figure, atol=1e-12, err_msg=name)


@given(n=st.integers(1, 60), cut=st.floats(0, 1))
def test_parts_of_the_users_merge_to_all_of_them(n, cut):
    drawn, cell = users(n, 1)
    at = round(cut * n)
    parts = [ShareSums.by_cell(LIMITS, some(drawn, of), cell[of], CELLS) for of in (slice(at), slice(at, n))]
    for first, second, both in zip(*parts, ShareSums.by_cell(LIMITS, drawn, cell, CELLS), strict=True):
        for name, figure in first.merge(second).arrays().items():
            np.testing.assert_allclose(figure, both.arrays()[name], atol=1e-12)
    restored = ShareSums.from_arrays(parts[0][0].arrays())
    assert (restored.shares == parts[0][0].shares).all()


def test_quantiles_are_those_of_the_shares_to_a_200th():
    drawn, _ = users(400, 2)
    (sums,) = ShareSums.by_cell(LIMITS, drawn, np.zeros(400, dtype=np.int64), 1)
    for q in (0.1, 0.5, 0.9):
        exact = np.quantile(drawn.shares, q, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(sums.share_quantile(q), exact, atol=0.5 / (SHARES - 1) + 1e-12)
    np.testing.assert_allclose(sums.mean_share, drawn.shares.mean(axis=0))
    np.testing.assert_allclose(sums.mean_score[1:], np.nanmean(drawn.scores[:, 1:], axis=0))
    assert np.isnan(sums.mean_score[0])


@pytest.mark.parametrize(
    ("score", "place"),
    [(0.1, 20), (0.3, 40), (9.0, 40), (-0.1, 0), (-np.inf, None), (np.nan, None), (0.11, 21)],
)
def test_what_a_score_asks_for_is_a_part_of_the_range(score, place):
    drawn = Drawn(
        np.array([[0.5, 0.3, 0.2]]), np.array([0]), np.array([0]), np.array([[np.nan, score, np.nan]])
    )
    (sums,) = ShareSums.by_cell(LIMITS, drawn, np.array([0]), 1)
    expected = np.zeros((3, ASKED), dtype=np.int64)
    if place is not None:
        expected[1, place] = 1
    np.testing.assert_array_equal(sums.asked, expected)
    assert sums.below[1] == (score == -0.1)  # who is at the tolerance is not at risk
    assert sums.apart == 0


def test_a_range_of_nothing_asks_for_nothing():
    still = Limits(np.array([0.5, 0.5]), 0, range=0.0, risk_tolerance=0.0, scale=2.0, floor=0.05)
    assert (asked_of(still, np.array([[0.0, 3.0]])) == 0).all()

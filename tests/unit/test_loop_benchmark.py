"""What `tests/benchmarks/loop.py` says of worlds of many seeds."""

import numpy as np
import pytest
from tests.benchmarks.loop import share_by_seed, totals


def told(held, judged):
    return {
        "promotions": 1,
        "wrong_promotions": 0,
        "covered_truth": {"progressive": [judged, judged], "cross_fitted": [held, judged]},
        "reached": 0.5,
    }


def test_the_error_of_a_share_is_that_of_worlds_not_of_their_nights():
    share, stderr = share_by_seed([10, 20, 30], [40, 40, 40])
    assert share == 0.5
    # residuals -10, 0, 10: sqrt(3 / 2 * 200) / 120
    assert stderr == pytest.approx(np.sqrt(300) / 120, rel=1e-12)


def test_worlds_that_were_judged_more_often_count_more():
    share, stderr = share_by_seed([9, 90], [10, 90])
    assert share == 0.99
    # 9 - 9.9 and 90 - 89.1
    assert stderr == pytest.approx(np.sqrt(2 * (0.9**2 + 0.9**2)) / 100, rel=1e-12)


@pytest.mark.parametrize(("held", "judged"), [([30], [33]), ([30, 20], [30, 20]), ([0, 0], [5, 5])])
def test_where_worlds_do_not_differ_nobody_knows_the_error(held, judged):
    share, stderr = share_by_seed(held, judged)
    assert share == sum(held) / sum(judged)
    assert stderr is None


def test_nights_of_a_world_that_miss_together_make_the_error_as_large_as_it_is():
    """Nights hold in 90 % of cases, but by worlds: the error is 2.4 times that of as many lone nights."""
    dice = np.random.default_rng(1)
    of_worlds = dice.beta(9 * 0.5, 1 * 0.5, (2000, 20))
    held = dice.binomial(30, of_worlds)
    found = [share_by_seed(list(row), [30] * 20) for row in held]
    real = np.std([share for share, _ in found])
    claimed = np.sqrt(np.mean([stderr**2 for _, stderr in found if stderr is not None]))
    correlation = 1 / (9 * 0.5 + 1 * 0.5 + 1)  # of two nights of one world
    in_truth = np.sqrt(0.9 * 0.1 / 600 * (1 + 29 * correlation))
    assert real == pytest.approx(in_truth, rel=0.05)
    assert claimed == pytest.approx(in_truth, rel=0.05)


def test_totals_print_the_share_with_its_error():
    said = totals([told(30, 30), told(9, 30)])
    assert "cross_fitted: intervals held the truth in 39 of 60 (65.0 % ± 35.0 %, clustered by seed)" in said
    assert (
        "progressive: intervals held the truth in 60 of 60 (100.0 %, no error known: worlds do not differ)"
        in said
    )


def test_worlds_in_which_nothing_was_judged_have_no_share():
    assert "progressive: no interval was judged" in totals([told(0, 0), told(0, 0)])

"""What is told of shares is never of few users, nor does it follow from the rest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.allocation import Limits
from nightslate.core.allocation.share_sums import Drawn, ShareSums
from nightslate.kernels.rollout_cells import large_counts, without_small_parts
from nightslate.kernels.small_cells import OTHERS

LIMITS = Limits(np.array([0.5, 0.5]), 0, range=0.4, risk_tolerance=0.0, scale=1.0, floor=0.05)
LEAST = 10


def states(*of_values):
    """By value of one column: so many users in each of two variants."""
    found = {}
    for value, (control, treatment) in enumerate(of_values):
        n = control + treatment
        variant = np.repeat([0, 1], [control, treatment])
        drawn = Drawn(np.full((n, 2), 0.5), variant, variant, np.full((n, 2), np.nan))
        (found["segment", "region", str(value)],) = ShareSums.by_cell(
            LIMITS, drawn, np.zeros(n, dtype=int), 1
        )
    return found


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=6))
def test_no_value_has_few_users_and_nobody_is_lost(of_values):
    given_ = states(*of_values)
    told = without_small_parts(given_, LEAST)
    for sums in told.values():
        assert all(n == 0 or n >= LEAST for n in sums.drawn.tolist())
    if told:
        assert sum(sums.drawn for sums in told.values()).tolist() == [
            sum(n) for n in zip(*of_values, strict=True)
        ]
    assert without_small_parts(given_, 1) == given_


def test_small_values_stand_together():
    told = without_small_parts(states((30, 30), (3, 50), (8, 20)), LEAST)
    assert {place[2]: sums.drawn.tolist() for place, sums in told.items()} == {
        "0": [30, 30],
        OTHERS: [11, 70],
    }


def row(value, variant="treatment", **counts):
    same = {"part": "segment", "segment": "region", "segment_value": value, "variant": variant}
    return {**same, "users": 100, "scored": 50, "apart": 40, "came": 20, "left": 0, "below": 25, **counts}


def test_a_count_of_few_is_told_of_no_value_of_its_column():
    rows = [row("north", came=3), row("south"), row("north", "control"), row("north", segment="device")]
    told = large_counts(rows, LEAST)
    assert [each["came"] for each in told] == [None, None, 20, 20]
    assert [each["apart"] for each in told] == [40] * 4
    assert large_counts(rows, 1) == rows


def test_nor_is_a_count_that_leaves_few_others():
    told = large_counts([row("north", below=45), row("south", apart=97)], LEAST)
    assert [(each["below"], each["apart"]) for each in told] == [(None, None)] * 2

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import Process

from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q import Transitions

WHOLE = Process.random().transitions()
ROWS = len(WHOLE.rewards)


def test_rows_are_taken_by_place_or_by_mask():
    assert WHOLE.arms == 3
    some = np.array([3, 1, 1])
    for name, array in WHOLE.take(some).arrays().items():
        np.testing.assert_array_equal(array, WHOLE.arrays()[name][some])
    assert WHOLE.take(WHOLE.terminal).terminal.all()
    assert len(WHOLE.take(np.zeros(ROWS, dtype=np.bool_)).rewards) == 0


def test_they_travel_as_arrays():
    again = Transitions.from_arrays(WHOLE.arrays())
    for name, array in WHOLE.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_both_zeros_are_one():
    zeros = replace(WHOLE, rewards=np.full(ROWS, -0.0), states=WHOLE.states * -0.0)
    assert not np.signbit(zeros.rewards).any()
    assert not np.signbit(zeros.states).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": WHOLE.states[0]}, r"states must be \(n, d\)"),
        ({"rewards": WHOLE.rewards[1:]}, "rewards must have shape"),
        ({"rewards": np.full(ROWS, np.nan)}, "rewards has 21 of 21 values that are not finite"),
        ({"next_states": WHOLE.next_states[:, 1:]}, "next_states must have shape"),
        ({"actions": np.full(ROWS, 3)}, r"actions has 21 of 21 values outside 0\.\.2"),
        ({"actions": WHOLE.actions * 1.0}, "actions must be integers"),
        ({"terminal": WHOLE.terminal * 1}, "terminal must be booleans"),
        ({"next_eligible": WHOLE.next_eligible[1:]}, "next_eligible must be booleans of shape"),
        ({"terminal": ~WHOLE.terminal}, "next_eligible must be all false where .* 21 of 21"),
        ({"next_eligible": np.zeros((ROWS, 3), dtype=np.bool_)}, "have an arm elsewhere"),
        ({"next_states": WHOLE.next_states + 1}, "next_states must be 0 where terminal"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        replace(WHOLE, **change)

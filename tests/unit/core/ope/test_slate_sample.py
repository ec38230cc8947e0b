import numpy as np
import pytest
from tests.unit.core.ope.worlds import SLOTS, draw

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import SLATE_ESTIMATORS
from nightslate.core.ope.slate_sample import SlateSample

DECISION, SLOT = np.array([1, 0, 1, 0, 1, 2]), np.array([2, 1, 1, 2, 3, 1])


def columns(**more):
    return {
        "reward": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        "propensity": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        "target_propensity": np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.3]),
        **more,
    }


def test_rows_find_their_decision_and_slot_in_any_order():
    sample = SlateSample.of_rows(DECISION, SLOT, columns(), 3)
    np.testing.assert_array_equal(sample.reward, [[2, 4, 0], [3, 1, 5], [6, 0, 0]])
    np.testing.assert_array_equal(sample.propensity, [[0.2, 0.4, 1], [0.3, 0.1, 0.5], [0.6, 1, 1]])
    np.testing.assert_allclose(sample.cumulative_weight[0], [1, 0.5, 0.5])
    np.testing.assert_allclose(sample.weight, [0.5, 2 / 3 * 2 * 0.4, 0.5])
    np.testing.assert_array_equal(sample.total, [6, 9, 6])
    assert sample.fields == {"reward", "propensity", "target_propensity"}
    assert (sample.n, sample.slots) == (3, 3)


def test_columns_of_decisions_are_taken_once_and_unknown_ones_left_alone():
    of_decision = np.array([7.0, 5.0, 7.0, 5.0, 7.0, 9.0])
    sample = SlateSample.of_rows(
        DECISION, SLOT, columns(pseudo_inverse_weight=of_decision, colour=of_decision), 3
    )
    np.testing.assert_array_equal(sample.pseudo_inverse_weight, [5, 7, 9])


@pytest.mark.parametrize("name", list(SLATE_ESTIMATORS))
def test_slots_that_no_decision_has_change_nothing(name):
    """Three slots, or five of which two are always absent."""
    sample = draw(name)
    rows = sample.n * SLOTS
    decision, slot = np.repeat(np.arange(sample.n), SLOTS), np.tile(np.arange(1, SLOTS + 1), sample.n)
    flat = {
        field: getattr(sample, field).ravel()
        if getattr(sample, field).size == rows
        else np.repeat(getattr(sample, field), SLOTS)
        for field in sample.fields
    }
    for slots in (SLOTS, SLOTS + 2):
        again = SlateSample.of_rows(decision, slot, flat, slots)
        terms = SLATE_ESTIMATORS[name].terms
        values = [sum(a.sum() / b.sum() for a, b in terms(s, np.inf)) for s in (sample, again)]
        assert values[1] == pytest.approx(values[0])


def test_the_largest_weight_is_that_of_any_estimator():
    sample = SlateSample.of_rows(DECISION, SLOT, columns(), 3)
    assert sample.largest_weight == pytest.approx(max(1, 2 / 3 * 2))
    signed = SlateSample.of_rows(DECISION, SLOT, columns(pseudo_inverse_weight=np.full(6, -8.0)), 3)
    assert signed.largest_weight == 8


@pytest.mark.parametrize(
    ("decision", "slot", "message"),
    [
        ([0, 0], [1, 1], "1 of 1 decisions do not have their slots 1 to k once each"),
        ([0, 0], [1, 3], "1 of 1 decisions do not have"),
        ([0, 1], [1, 2], "1 of 2 decisions do not have"),
        ([0, 2], [1, 1], "1 of 3 decisions do not have"),
        ([0, 0], [0, 1], "slot - 1 has 1 of 2 values outside"),
        ([0, 0], [1, 4], "slot - 1 has 1 of 2 values outside"),
    ],
)
def test_slots_that_can_not_be_are_refused(decision, slot, message):
    given = {name: values[:2] for name, values in columns().items()}
    with pytest.raises(InvalidInputError, match=message):
        SlateSample.of_rows(np.array(decision), np.array(slot), given, 3)


def test_a_slate_has_slots():
    with pytest.raises(InvalidInputError, match=r"must be \(decisions, slots\)"):
        SlateSample(np.zeros(3), np.ones(3), np.ones(3))

from functools import reduce
from itertools import permutations, product

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.calibration import Calibration, Inverses

ARMS, SLOTS, ROWS = 4, 2, 3000


def traffic(seed=0, rows=ROWS):
    draw = np.random.default_rng(seed)
    propensities = draw.dirichlet(np.full(ARMS, 3.0), rows)
    shown = (propensities.cumsum(axis=1) > draw.uniform(size=(rows, 1))).argmax(axis=1)
    return propensities, shown, draw.integers(1, SLOTS + 1, rows)


def test_sums_are_those_of_a_loop():
    propensities, shown, slot = traffic(rows=200)
    made = Calibration.initial(ARMS, SLOTS).update(propensities, shown, slot)
    expected = np.zeros((4, ARMS, SLOTS, 10))
    for p, hit, k in zip(propensities, shown, slot, strict=True):
        for arm in range(ARMS):
            expected[:, arm, k - 1, int(p[arm] * 10)] += 1, p[arm], p[arm] * (1 - p[arm]), hit == arm
    for sums, same in zip((made.rows, made.predicted, made.variance, made.realised), expected, strict=True):
        np.testing.assert_allclose(sums, same, atol=1e-12)
    with np.errstate(invalid="ignore"):
        z = (expected[3] - expected[1]) / np.sqrt(expected[2])
    np.testing.assert_allclose(made.z, z)
    chi_square, degrees = made.chi_square
    np.testing.assert_allclose(chi_square, np.nansum(z**2, axis=2))
    np.testing.assert_array_equal(degrees, (expected[0] > 0).sum(axis=2))


def test_parts_merge_to_the_whole():
    propensities, shown, slot = traffic()
    whole = Calibration.initial(ARMS, SLOTS).update(propensities, shown, slot)
    parts = [
        Calibration.initial(ARMS, SLOTS).update(propensities[k::8], shown[k::8], slot[k::8]) for k in range(8)
    ]
    for name, sums in reduce(Calibration.merge, parts[::-1]).arrays().items():
        np.testing.assert_allclose(sums, whole.arrays()[name], rtol=1e-12)


def test_right_propensities_pass_and_wrong_ones_do_not():
    passed = 0
    for seed in range(60):
        propensities, shown, slot = traffic(seed)
        passed += Calibration.initial(ARMS, SLOTS).update(propensities, shown, slot).p_value > 0.05
        wrong = propensities**0.5
        wrong /= wrong.sum(axis=1, keepdims=True)
        assert Calibration.initial(ARMS, SLOTS).update(wrong, shown, slot).p_value < 1e-3
    assert passed >= 52


def test_what_cannot_happen_is_off_by_any_measure():
    sure = np.array([[1.0, 0.0]] * 3)
    state = Calibration.initial(2)
    assert state.update(sure, np.array([0, 0, 0])).p_value == 1
    assert state.update(sure, np.array([0, 1, 0])).p_value == 0
    assert state.p_value == 1


@pytest.mark.parametrize(
    ("propensities", "shown", "slot", "says"),
    [
        ([[0.5, 1.5]], [0], [1], "1 values not in"),
        ([[0.5, np.nan]], [0], [1], "not finite"),
        ([[0.5, 0.5]], [2], [1], "outside 0..1"),
        ([[0.5, 0.5]], [0], [0], "slot - 1"),
        ([[0.5, 0.5, 0]], [0], [1], "shape"),
    ],
)
def test_bad_rows_are_refused(propensities, shown, slot, says):
    with pytest.raises(InvalidInputError, match=says):
        Calibration.initial(2).update(np.array(propensities), np.array(shown), np.array(slot))


def rankings():
    """Every ranking of 2 of 3 arms under Plackett-Luce, with its probability: the expectation is exact."""
    weights = np.array([0.5, 0.3, 0.2])
    for first, second in permutations(range(3), 2):
        conditional = weights[first], weights[second] / (1 - weights[first])
        yield (first, second), conditional, np.prod(conditional)


def test_the_mean_of_inverses_is_1_where_an_arm_is_open():
    inverse, opened = np.zeros((3, 2)), np.zeros((3, 2))
    for arms, conditional, probability in rankings():
        made = Inverses.initial(3, 2).update(conditional, np.array(arms), np.array([1, 2]), np.array([2, 2]))
        inverse += probability * made.inverse
        opened += probability * made.open
    np.testing.assert_allclose(inverse, opened, rtol=1e-12)
    np.testing.assert_allclose(opened[:, 0], 1)
    np.testing.assert_allclose(opened[:, 1], [0.5, 0.7, 0.8])


def test_without_lengths_every_slot_is_open_to_every_arm():
    inverse = np.zeros((2, 2))
    chances = np.array([[0.4, 0.6], [0.9, 0.1]])
    for first, second in product(range(2), repeat=2):
        conditional = chances[0, first], chances[1, second]
        made = Inverses.initial(2, 2).update(conditional, np.array([first, second]), np.array([1, 2]))
        np.testing.assert_array_equal(made.open, 1)
        inverse += np.prod(conditional) * made.inverse
    np.testing.assert_allclose(inverse, 1, rtol=1e-12)


def test_only_arms_shown_more_often_than_they_should_be_are_off():
    alarms = 0
    for seed in range(60):
        propensities, shown, slot = traffic(seed)
        p = propensities[np.arange(ROWS), shown]
        state = Inverses.initial(ARMS, SLOTS)
        alarms += state.update(p, shown, slot).off.any()
        skewed = np.where(shown == 2, p * 0.5, p)
        off = state.update(skewed, shown, slot).off
        assert off[2].all()
        assert not state.update(np.minimum(1, p * 1.5), shown, slot).off.any()
    assert alarms <= 2


def test_inverses_merge_and_take_no_propensity_that_is_none():
    propensities, shown, slot = traffic()
    p = propensities[np.arange(ROWS), shown]
    empty = Inverses.initial(ARMS, SLOTS)
    whole = empty.update(p, shown, slot)
    merged = reduce(Inverses.merge, [empty.update(p[k::8], shown[k::8], slot[k::8]) for k in range(8)])
    np.testing.assert_allclose(merged.z, whole.z, rtol=1e-9)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9)
    for bad in (0.0, 1.5, np.nan):
        with pytest.raises(InvalidInputError, match="propensity has 1"):
            empty.update([bad], np.array([0]), np.array([1]))

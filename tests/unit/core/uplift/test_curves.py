"""Curves against their definitions, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from nightslate.core.uplift import curves

UNITS = st.lists(st.tuples(st.integers(0, 6), st.floats(-5, 5)), min_size=2, max_size=40)


def grouped(rows):
    """Sums by group, the highest priority first."""
    priority, effect = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    values = np.unique(priority)[::-1]
    units = np.array([[float((priority == value).sum()) for value in values]])
    return units, np.array([[effect[priority == value].sum() for value in values]])


def toc_of_each(rows):
    """(n,) by the definition: the mean of the first j less that of all, units of equal priority having the
    effect that they have together."""
    ordered = sorted(rows, key=lambda row: -row[0])
    alike = {p: np.mean([effect for other, effect in rows if other == p]) for p, _ in rows}
    effects = [alike[priority] for priority, _ in ordered]
    return np.array([np.mean(effects[:j]) - np.mean(effects) for j in range(1, len(rows) + 1)])


@given(UNITS)
def test_autoc_and_qini_are_means_of_toc(rows):
    found, n = toc_of_each(rows), len(rows)
    units, effect = grouped(rows)
    assert curves.autoc(units, effect)[0] == pytest.approx(found.mean(), abs=1e-9)
    expected = (np.arange(1, n + 1) / n * found).mean()
    assert curves.qini(units, effect)[0] == pytest.approx(expected, abs=1e-9)


@given(UNITS)
def test_toc_at_each_unit_and_the_means_between_add_up(rows):
    units, effect = grouped(rows)
    n = len(rows)
    shares = np.arange(1, n + 1) / n
    np.testing.assert_allclose(curves.toc(units, effect, shares)[0], toc_of_each(rows), atol=1e-9)
    deciles = curves.effect_between(units, effect, np.arange(1, 11) / 10)
    assert deciles.mean() == pytest.approx(np.mean([each for _, each in rows]), abs=1e-9)


def test_a_split_within_a_group_that_says_nothing_changes_nothing():
    units, effect = np.array([[3.0, 5.0]]), np.array([[6.0, 2.5]])
    apart = np.array([[1.0, 2.0, 0.0, 5.0]]), np.array([[2.0, 4.0, 0.0, 2.5]])
    for figure in (curves.autoc, curves.qini):
        assert figure(units, effect) == pytest.approx(figure(*apart))


def test_what_is_gained_is_the_best_that_a_budget_buys():
    """Against the linear programme: shares of units, one each at most, that gain the most for a budget."""
    generator = np.random.default_rng(4)
    gain, cost = generator.uniform(0.1, 2, 30), generator.uniform(0.5, 3, 30)
    order = np.argsort(-gain / cost)
    spent = np.array([0.1, 0.4, 0.9]) * cost.mean()
    found = curves.gain_at_cost(np.ones((1, 30)), gain[None, order], cost[None, order], spent)[0]
    for budget, gained in zip(spent, found, strict=True):
        best = linprog(-gain / 30, A_ub=[cost / 30], b_ub=[budget], bounds=(0, 1))
        assert gained == pytest.approx(-best.fun, rel=1e-9)


def test_what_costs_nothing_is_had_before_anything_is_spent():
    units, effect, cost = (np.array([row]) for row in ([1.0, 1.0], [3.0, 1.0], [0.0, 2.0]))
    np.testing.assert_allclose(
        curves.gain_at_cost(units, effect, cost, np.array([0.0, 0.5, 1.0, 9.0]))[0], [1.5, 1.75, 2.0, 2.0]
    )

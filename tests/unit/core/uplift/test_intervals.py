"""How often intervals hold the truth, of users whose decisions depend on one another."""

import math

import numpy as np
import pytest
from tests.unit.core.uplift import worlds

from nightslate.core.uplift import cost_curve, figures_by_gain, per_cost, ranked_exactly

LOGS, CONFIDENCE = 150, 0.9
ERROR = 3 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / LOGS)


def by_gain(drawn, confidence=CONFIDENCE):
    """Of effects that hold what help costs: none of it is taken off."""
    free = np.zeros_like(drawn.cost)
    return figures_by_gain(ranked_exactly(drawn.gain, drawn.effect, free, drawn.users), confidence)


def by_cost(drawn, confidence=CONFIDENCE):
    priority = per_cost(drawn.gain, drawn.cost)
    return cost_curve(ranked_exactly(priority, drawn.effect, drawn.cost, drawn.users), confidence)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = []
    truth = np.array([0.5, worlds.AUTOC, worlds.QINI, *worlds.decile_effects()])
    spent = np.arange(1, 21) / 20
    for log in range(LOGS):
        drawn = worlds.drawn(150, np.random.default_rng([7, log]))
        found = [*by_gain(drawn), *by_cost(drawn)]
        of_all = np.concatenate([truth, worlds.gain_at(spent)])
        held.append([f.lower <= t <= f.upper for f, t in zip(found, of_all, strict=True)])
    coverage = np.mean(held, axis=0)
    assert (np.abs(coverage[:3] - CONFIDENCE) < ERROR).all(), coverage[:3]
    assert (coverage > CONFIDENCE - ERROR - 0.01).all(), coverage


def test_an_order_that_says_nothing_has_an_autoc_of_0():
    missed = 0
    for log in range(LOGS):
        drawn = worlds.drawn(150, np.random.default_rng([8, log]), useful=0.0)
        _, autoc, *_ = by_gain(drawn)
        missed += not autoc.lower <= 0 <= autoc.upper
    assert missed / LOGS < 1 - CONFIDENCE + ERROR


def test_rows_of_a_user_are_no_news():
    """Each row three times over, of the same users: the same intervals."""
    drawn = worlds.drawn(150, np.random.default_rng(9))
    copied = worlds.Drawn(
        *(np.repeat(getattr(drawn, name), 3) for name in ("gain", "effect", "cost", "users"))
    )
    for one, other in zip(by_gain(drawn), by_gain(copied), strict=True):
        assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), rel=0.03, abs=0.01)


def test_no_interval_claims_certainty():
    drawn = worlds.drawn(1, np.random.default_rng(9))
    assert {(f.stderr, f.lower, f.upper) for f in [*by_gain(drawn), *by_cost(drawn)]} == {(None, None, None)}
    same = worlds.Drawn(np.ones(40), np.ones(40), np.ones(40), np.arange(40, dtype=np.uint64))
    assert {(f.stderr, f.lower, f.upper) for f in by_gain(same)} == {(None, None, None)}


def test_nothing_is_said_of_no_units_or_of_what_costs_nothing():
    nothing = np.empty(0)
    assert not by_gain(worlds.Drawn(nothing, nothing, nothing, nothing.astype(np.uint64)))
    drawn = worlds.drawn(20, np.random.default_rng(9))
    assert not by_cost(worlds.Drawn(drawn.gain, drawn.effect, np.zeros_like(drawn.cost), drawn.users))

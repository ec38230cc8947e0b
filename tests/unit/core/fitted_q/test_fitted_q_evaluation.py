from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import ARMS, PLAIN, TREE, Process

from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q import evaluate_policy


def weights_of(world, seed=5):
    return np.random.default_rng(seed).random((world.states, ARMS)) + 0.01


def next_weights(world, weights):
    """Of each transition, in the order of `Process.transitions`; numbers where it ends too."""
    return weights[world.following.ravel()]


@pytest.mark.parametrize("number", range(5))
def test_q_is_the_exact_value_of_the_policy(number):
    """Weights of any scale, restricted to the arms that are eligible."""
    world = Process.random(number=number)
    weights = weights_of(world)
    shares = weights * world.eligible
    shares /= shares.sum(axis=1, keepdims=True)
    exact = world.values(lambda q: (shares * q).sum(axis=1), 0.9, iterations=world.states)
    policy = evaluate_policy(world.transitions(), 7 * next_weights(world, weights), TREE, PLAIN, seed=3)
    q = policy.action_values(world.vectors(range(world.states)))
    np.testing.assert_allclose(q, exact, rtol=0, atol=1e-12)
    assert (world.values(world.best, 0.9, world.states) - q).max() > 0.1


def test_the_best_policy_is_worth_the_optimum():
    world = Process.random(number=2)
    best = world.values(world.best, 0.9, iterations=world.states)
    greedy = (np.where(world.eligible, best, -np.inf) == world.best(best)[:, None]) * 1.0
    policy = evaluate_policy(world.transitions(), next_weights(world, greedy), TREE, PLAIN, seed=3)
    np.testing.assert_allclose(
        policy.action_values(world.vectors(range(world.states))), best, rtol=0, atol=1e-12
    )


def test_nothing_is_doubled_where_nothing_is_maximised():
    world = Process.random()
    arguments = world.transitions(), next_weights(world, weights_of(world))
    single = evaluate_policy(*arguments, TREE, PLAIN, 3)
    np.testing.assert_array_equal(
        evaluate_policy(*arguments, replace(TREE, double=True), PLAIN, 3).models, single.models
    )


def test_weights_that_say_nothing_are_refused():
    world = Process.random()
    rows, weights = world.transitions(), next_weights(world, weights_of(world))
    for wrong, message in (
        (weights[1:], "next_weights must have shape"),
        (np.where(rows.next_eligible, np.nan, weights), "not finite"),
        (np.where(rows.next_eligible, -1.0, weights), "next_weights must be >= 0"),
        (
            np.where(rows.next_eligible, 0.0, weights),
            "one > 0 among the arms that are eligible next; 1. of 21",
        ),
    ):
        with pytest.raises(InvalidInputError, match=message):
            evaluate_policy(rows, wrong, TREE, PLAIN, 3)
    unlikely = np.where(rows.next_eligible, weights, -1.0)
    evaluate_policy(rows, unlikely, TREE, PLAIN, 3)

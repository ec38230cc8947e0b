from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import ARMS, EXACT, PLAIN, TREE, Process, noisy

from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions


@pytest.mark.parametrize("number", range(5))
def test_q_is_that_of_value_iteration_among_eligible_arms(number):
    world = Process.random(number=number)
    policy = TREE.fit(world.transitions(), PLAIN, seed=3)
    exact = world.values(world.best, 0.9, iterations=world.states)
    q = policy.action_values(world.vectors(range(world.states)))
    np.testing.assert_allclose(q, exact, rtol=0, atol=1e-12)
    assert policy.curve[-1] == 0
    assert len(policy.curve) <= world.states + 1


def test_the_same_state_is_worth_what_is_eligible_there():
    """Two customers come to the same state; the best arm there is open to one of them only."""
    ahead, nothing = np.array([1.0, 1.0]), np.zeros(2)
    rows = Transitions(
        states=np.array([[1.0, 0.0], [1.0, 0.5], ahead, ahead, ahead]),
        actions=np.array([0, 0, 0, 1, 2]),
        rewards=np.array([0.0, 0.0, 1.0, 2.0, 4.0]),
        next_states=np.array([ahead, ahead, nothing, nothing, nothing]),
        next_eligible=np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=np.bool_),
        terminal=np.array([False, False, True, True, True]),
    )
    values = TREE.fit(rows, PLAIN, seed=3).action_values(rows.states[:2])
    np.testing.assert_allclose(values[:, 0], [0.9 * 4, 0.9 * 2], rtol=1e-12)


def test_each_iteration_looks_one_step_further():
    """The first fits the rewards alone; trajectories that never end."""
    world = Process.random(endless=True)
    before = np.zeros(world.rewards.size)
    for iterations in (1, 2, 5):
        policy = replace(TREE, iterations=iterations).fit(world.transitions(), PLAIN, seed=3)
        exact = world.values(world.best, 0.9, iterations)
        np.testing.assert_allclose(
            policy.action_values(world.vectors(range(world.states))), exact, rtol=0, atol=1e-12
        )
        assert len(policy.curve) == iterations
        before = world.values(world.best, 0.9, iterations - 1)
        assert policy.curve[-1] == pytest.approx(np.linalg.norm(exact - before) / np.linalg.norm(exact))


def test_it_ends_after_the_longest_trajectory_and_one_more():
    chain = Process(
        rewards=np.arange(15.0).reshape(5, ARMS),
        following=np.repeat([[1], [2], [3], [4], [-1]], ARMS, axis=1),
        eligible=np.ones((5, ARMS), dtype=np.bool_),
    )
    policy = replace(TREE, tolerance=1e-9).fit(chain.transitions(), PLAIN, seed=3)
    assert len(policy.curve) == 5 + 1
    assert (policy.curve[:-1] > 0.01).all()
    np.testing.assert_allclose(policy.curve[0], 1)
    np.testing.assert_allclose(policy.curve[-1], 0, atol=1e-15)


def test_a_tolerance_ends_it_sooner():
    world = Process.random(endless=True).transitions()
    curves = [replace(TREE, tolerance=tolerance).fit(world, PLAIN, 3).curve for tolerance in (1e-3, 0.1)]
    for curve, tolerance in zip(curves, (1e-3, 0.1), strict=True):
        assert curve[-1] <= tolerance < curve[-2]
    np.testing.assert_array_equal(curves[0][: len(curves[1])], curves[1])


def test_the_end_of_a_trajectory_is_worth_its_reward():
    """Whatever is expected of the state that stands for nothing."""
    world = noisy()
    ends = world.take(world.terminal)
    policy = FittedQ(estimator="ridge").fit(ends, PLAIN, seed=3)
    assert len(policy.curve) == 2
    worth = replace(world, rewards=np.where(world.terminal, 5.0, 1.0))
    values = (
        FittedQ("extra_trees_regressor", EXACT, iterations=3).fit(worth, PLAIN, 3).action_values(worth.states)
    )
    assert values.max() <= 1 + 1 + 5
    np.testing.assert_allclose(
        FittedQ("extra_trees_regressor", EXACT)
        .fit(worth.take(worth.terminal), PLAIN, 3)
        .action_values(worth.states),
        5.0,
    )


def test_an_ensemble_is_the_mean_of_different_members():
    learner = FittedQ("ridge", ensemble=4, iterations=1)
    policy = learner.fit(noisy(), PLAIN, seed=3)
    assert len(policy.members) == 4
    states = noisy().states
    alone = [
        FittedQPolicy.from_arrays(
            {
                **policy.arrays(),
                "models": part,
                "sizes": np.array([part.size]),
                "constants": policy.constants[:1],
            }
        ).action_values(states)
        for part in np.split(policy.models, np.cumsum(policy.sizes)[:-1])
    ]
    assert len({values.tobytes() for values in alone}) == 4
    np.testing.assert_allclose(policy.action_values(states), np.mean(alone, axis=0), rtol=1e-12)
    plain = replace(learner, ensemble=1).fit(noisy(), PLAIN, seed=3).action_values(states)
    np.testing.assert_allclose(policy.action_values(states), plain, atol=0.5)


def test_members_differ_as_bootstrap_samples_do():
    """Means of n rewards drawn with replacement have standard deviation sd / sqrt(n); those of the rows that
    are drawn at all, counted once each, have 0.76 of that."""
    ends = noisy(200).take(np.zeros(200, dtype=np.int64))
    rewards = np.random.default_rng(2).normal(size=200)
    rows = replace(
        ends,
        rewards=rewards,
        terminal=np.ones(200, dtype=np.bool_),
        next_states=ends.states * 0,
        next_eligible=np.zeros((200, ARMS), dtype=np.bool_),
    )
    members = FittedQ("ridge", ensemble=150).fit(rows, PLAIN, seed=3).members
    means = [member.predict(np.array([[*rows.states[0], *np.eye(ARMS)[0]]]))[0] for member in members]
    assert np.std(means) == pytest.approx(rewards.std() / np.sqrt(200), rel=0.15)
    assert np.mean(means) == pytest.approx(rewards.mean(), abs=0.02)


def test_a_backup_looks_at_the_whole_ensemble():
    """A mean of maxima would be another number than the maximum of means."""
    rows = noisy()
    one = FittedQ("ridge", ensemble=3, iterations=1).fit(rows, PLAIN, seed=3)
    ahead = np.where(rows.next_eligible, one.action_values(rows.next_states), -np.inf).max(axis=1)
    ahead[rows.terminal] = 0
    two = FittedQ("ridge", ensemble=3, iterations=2, discount=0.5).fit(rows, PLAIN, seed=3)
    target = rows.rewards + 0.5 * ahead
    assert two.curve[1] == pytest.approx(np.linalg.norm(0.5 * ahead) / np.linalg.norm(target), rel=1e-9)


def of_noise(seed, rows=60):
    """A state that leads nowhere but to another, where every arm is worth 0 and rewards are noise."""
    generator = np.random.default_rng(seed)
    first = np.repeat([True, False], rows)
    ones, zeros = np.ones(2 * rows), np.zeros(2 * rows)
    return Transitions(
        states=np.column_stack([ones, first]),
        actions=np.tile(np.arange(2 * rows) % ARMS, 1),
        rewards=np.where(first, 0.0, generator.normal(size=2 * rows)),
        next_states=np.column_stack([first, zeros]) * 1.0,
        next_eligible=np.repeat(first[:, None], ARMS, axis=1),
        terminal=~first,
    )


def test_double_does_not_take_noise_for_value():
    """What the best of three means of 20 draws seems worth is 0.85 / sqrt(20) = 0.19; it is worth 0."""
    first = np.array([[1.0, 1.0]])
    single, double = (
        np.mean(
            [
                replace(TREE, discount=1.0, iterations=2, double=double)
                .fit(of_noise(seed), PLAIN, seed)
                .action_values(first)
                .mean()
                for seed in range(25)
            ]
        )
        for double in (False, True)
    )
    assert single == pytest.approx(0.19, abs=0.08)
    assert double == pytest.approx(0.0, abs=0.1)

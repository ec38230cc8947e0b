import io
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import ARMS, EXACT, KEYS, PLAIN, Process

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions, choosing
from nightslate.core.policies.learner import Arms, Policy, RewardModel
from nightslate.core.policies.sklearn_models import ESTIMATORS

TREE = FittedQ(parameters=EXACT, discount=0.9, tolerance=0.0)
REGRESSORS = [name for name in ESTIMATORS if name == "ridge" or name.endswith("regressor")]
SMALL = {
    "ridge": {},
    "hist_gradient_boosting_regressor": {"max_iter": 3},
    "random_forest_regressor": {"n_estimators": 3, "min_samples_leaf": 5},
    "extra_trees_regressor": {"n_estimators": 3, "min_samples_leaf": 5},
}


def noisy(rows=300, features=2):
    """Numbers as in a campaign: rewards depend on the state and the arm, a third of the rows end."""
    generator = np.random.default_rng(1)
    states = np.column_stack([np.ones(rows), generator.integers(0, 5, (rows, features))])
    actions = generator.integers(0, ARMS, rows)
    terminal = generator.random(rows) < 1 / 3
    eligible = generator.random((rows, ARMS)) < 0.7
    eligible[:, 0] = True
    return Transitions(
        states=states,
        actions=actions,
        rewards=generator.normal(states[:, 1] * (actions - 1), 1.0),
        next_states=np.where(terminal[:, None], 0, states + np.array([0, 1, 0])),
        next_eligible=eligible & ~terminal[:, None],
        terminal=terminal,
    )


def assert_same(left, right):
    assert left.arrays().keys() == right.arrays().keys()
    for name, array in left.arrays().items():
        np.testing.assert_array_equal(array, right.arrays()[name], err_msg=name)


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
    values = FittedQ(parameters=EXACT, iterations=3).fit(worth, PLAIN, 3).action_values(worth.states)
    assert values.max() <= 1 + 1 + 5
    np.testing.assert_allclose(
        FittedQ(parameters=EXACT).fit(worth.take(worth.terminal), PLAIN, 3).action_values(worth.states), 5.0
    )


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("settings", [{}, {"double": True}, {"ensemble": 2}, {"double": True, "ensemble": 2}])
def test_neither_the_order_of_rows_nor_that_of_arms_has_a_say(estimator, settings):
    learner = FittedQ(estimator, SMALL[estimator], iterations=3, **settings)
    described = np.column_stack([np.ones(ARMS), [0.5, -1.0, 2.0]])
    crossed = np.ones((3, 2), dtype=np.bool_)
    rows, policy = noisy(), learner.fit(noisy(), Arms(KEYS, described, crossed), seed=2**64 - 1)
    order, places = np.random.default_rng(9).permutation(len(rows.rewards)), np.array([2, 0, 1])
    turned = replace(
        rows, actions=np.argsort(places)[rows.actions], next_eligible=rows.next_eligible[:, places]
    ).take(order)
    again = learner.fit(turned, Arms(KEYS[places], described[places], crossed), seed=2**64 - 1)
    np.testing.assert_array_equal(again.models, policy.models)
    np.testing.assert_array_equal(again.curve, policy.curve)
    np.testing.assert_array_equal(
        again.action_values(rows.states), policy.action_values(rows.states)[:, places]
    )


def test_chunks_have_no_say(monkeypatch):
    learner = FittedQ(parameters=SMALL["extra_trees_regressor"], iterations=3, double=True)
    whole = learner.fit(noisy(), PLAIN, seed=3)
    values = whole.action_values(noisy().states)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * ARMS * 20)
    assert_same(learner.fit(noisy(), PLAIN, seed=3), whole)
    np.testing.assert_array_equal(whole.action_values(noisy().states), values)


def test_the_seed_is_used():
    learner = FittedQ(parameters=SMALL["extra_trees_regressor"], iterations=2)
    one, other = (learner.fit(noisy(), PLAIN, seed).action_values(noisy().states) for seed in (1, 2))
    assert not np.allclose(one, other)


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


@pytest.mark.parametrize("settings", [{}, {"double": True, "ensemble": 2}])
def test_without_rows_nothing_is_expected_and_nothing_preferred(settings):
    nothing = noisy().take(np.zeros(0, dtype=np.int64))
    for choose in ("greedy", "epsilon_greedy", "softmax"):
        policy = FittedQ(choose=choose, **settings).fit(nothing, PLAIN, seed=3)
        np.testing.assert_array_equal(policy.action_values(noisy().states), 0)
        np.testing.assert_allclose(policy.weights(noisy().states), 1 / ARMS)
    assert_same(FittedQPolicy.from_arrays(policy.arrays()), policy)


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("reward", [0.0, -2.0])
def test_where_all_rewards_are_the_same_they_are_expected(estimator, reward):
    ends = noisy().take(noisy().terminal)
    policy = FittedQ(estimator).fit(replace(ends, rewards=np.full(len(ends.rewards), reward)), PLAIN, seed=3)
    np.testing.assert_array_equal(policy.action_values(ends.states), reward)
    np.testing.assert_allclose(policy.weights(ends.states), 1 / ARMS)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_policies_travel_as_plain_arrays(estimator):
    policy = FittedQ(estimator, SMALL[estimator], iterations=2, ensemble=2).fit(noisy(), PLAIN, seed=3)
    file = io.BytesIO()
    np.savez(file, **policy.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        again = FittedQ.policy_type.from_arrays(dict(loaded))
    assert_same(again, policy)
    np.testing.assert_array_equal(again.action_values(noisy().states), policy.action_values(noisy().states))
    assert isinstance(policy, Policy)
    assert isinstance(policy, RewardModel)


@pytest.mark.parametrize(
    "settings",
    [
        {"choose": "greedy"},
        {"choose": "epsilon_greedy", "epsilon": 0.3},
        {"choose": "softmax", "temperature": 0.5},
    ],
)
def test_it_chooses_by_its_action_values(settings):
    policy = FittedQ("ridge", **settings).fit(noisy(), PLAIN, seed=3)
    states = noisy().states
    values = policy.action_values(states)
    np.testing.assert_array_equal(policy.expected_rewards(states), values)
    np.testing.assert_array_equal(policy.weights(states), choosing(values, **settings))
    alone = np.vstack([policy.weights(states[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, policy.weights(states)[:20], rtol=1e-12)
    assert policy.weights(np.empty((0, 3))).shape == (0, ARMS)
    with pytest.raises(InvalidInputError, match="contexts must have shape"):
        policy.weights(states[:, 1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": "svc"}, "estimator must be one of ridge"),
        ({"estimator": "random_forest_classifier"}, "must be a regressor, got random_forest_classifier"),
        ({"estimator": "logistic_regression"}, "must be a regressor, got logistic_regression"),
        ({"estimator": "ridge", "parameters": {"alfa": 1}}, "ridge has alfa; it takes alpha"),
        ({"parameters": {"n_jobs": 2}}, "has n_jobs; it takes"),
        ({"discount": 1.01}, "discount"),
        ({"discount": float("nan")}, "discount"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"ensemble": 0}, "ensemble must be at least 1"),
        ({"tolerance": -1e-9}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"choose": "best"}, "choose"),
        ({"epsilon": -0.1}, "epsilon"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        FittedQ(**settings)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match="transitions of 3 arms can't be fitted to 2 arms"):
        FittedQ().fit(noisy(), Arms.plain(KEYS[1:]), seed=3)
    with pytest.raises(InvalidInputError, match=r"ExtraTreesRegressor can't be fitted: .*'criterion'"):
        FittedQ(parameters={"criterion": "no such"}).fit(noisy(), PLAIN, seed=3)
    with pytest.raises(InvalidInputError, match="is made of"):
        FittedQPolicy.from_arrays({"other": KEYS})


def test_parameters_may_be_a_mapping_or_pairs_and_settings_are_values():
    learner = FittedQ("ridge", {"solver": "svd", "alpha": 2})
    assert learner.parameters == (("alpha", 2), ("solver", "svd"))
    assert learner == FittedQ("ridge", learner.parameters)
    assert (FittedQ.kind, FittedQ.forgetting) == ("fitted_q", 1.0)
    assert hash(learner) != hash(FittedQ())

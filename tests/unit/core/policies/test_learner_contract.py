"""What every learner, its state and its policy promise; a new learner joins by being in LEARNERS."""

import dataclasses
import io
from typing import get_args

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Arms, Policy, RewardModel
from nightslate.programs.learners import LearnerSpec

ARMS, FEATURES, ROWS = 5, 3, 400
KEYS = np.array([seed("arm", str(arm)) for arm in range(ARMS)], dtype=np.uint64)
DESCRIBED = Arms(KEYS, np.column_stack([np.ones(ARMS), np.arange(ARMS) % 2, np.linspace(-1, 1, ARMS)]))

EVERY_LEARNER = {
    **{kind: learner() for kind, learner in LEARNERS.items()},
    **{
        f"{kind} {pooling}": LEARNERS[kind](pooling=pooling)
        for kind in ("linear_thompson", "linear_ucb", "logistic_thompson", "logistic_ucb")
        for pooling in ("shared", "hybrid")
    },
    "epsilon_greedy": LEARNERS["epsilon_greedy"](parameters={"max_iter": 10}),
    "epsilon_greedy ridge": LEARNERS["epsilon_greedy"](estimator="ridge"),
    "epsilon_greedy network": LEARNERS["epsilon_greedy"](
        estimator="mlp_regressor", parameters={"hidden_layer_sizes": 4, "solver": "lbfgs", "max_iter": 10}
    ),
}
TAKE_NO_NEGATIVE_REWARDS = ("logistic_thompson", "logistic_ucb")

pytestmark = pytest.mark.parametrize("learner", EVERY_LEARNER.values(), ids=EVERY_LEARNER.keys())


def logs(rows=ROWS, negative=False):
    generator = np.random.default_rng(7)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    arms = generator.integers(0, ARMS - 1, rows)  # the last arm is new
    rewards = (generator.random(rows) < 0.1 + 0.1 * arms) - (0.5 if negative else 0.0)
    return contexts, arms, rewards


def fitted(learner, logged=None):
    return learner.fit(learner.initial(ARMS, FEATURES).update(*(logged or logs())), DESCRIBED, seed=11)


def assert_same(left, right, **tolerance):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], **tolerance)


def through_npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return dict(loaded)


def test_it_is_known_by_its_kind(learner):
    assert LEARNERS[learner.kind] is type(learner)


def test_a_program_that_says_no_more_than_its_kind_gets_its_defaults(learner):
    specs = {
        get_args(spec.model_fields["kind"].annotation)[0]: spec for spec in get_args(get_args(LearnerSpec)[0])
    }
    settings = specs[learner.kind](kind=learner.kind).model_dump(exclude={"kind", "ignores"})
    assert type(learner)(**settings) == type(learner)()


def test_weights_are_probabilities(learner):
    if learner.kind in TAKE_NO_NEGATIVE_REWARDS:
        with pytest.raises(InvalidInputError, match="negative reward"):
            fitted(learner, logs(negative=True))
    for logged in (logs(), logs(negative=learner.kind not in TAKE_NO_NEGATIVE_REWARDS), logs(rows=0)):
        weights = fitted(learner, logged).weights(logs()[0])
        assert weights.shape == (ROWS, ARMS)
        assert weights.dtype == np.float64
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
        assert (mix_floor(weights, 0.05) > 0).all()


def test_a_policy_of_no_rows_prefers_nothing(learner):
    weights = fitted(learner, logs(rows=0)).weights(logs()[0])
    np.testing.assert_allclose(weights, 1 / ARMS, rtol=1e-12)


def test_no_users_get_no_weights(learner):
    assert fitted(learner).weights(np.empty((0, FEATURES))).shape == (0, ARMS)


def test_a_context_has_the_same_weights_to_the_last_bit_whatever_others_there_are(learner):
    """Of so many arms and features, BLAS takes one way for one row, another for a few, a third for many."""
    arms, features, rows = 30, 60, 130
    generator = np.random.default_rng(2)
    contexts = np.column_stack([np.ones(1000), generator.normal(size=(1000, features - 1))])
    shown, rewards = generator.integers(0, arms, 1000), (generator.random(1000) < 0.3) * 1.0
    described = Arms.plain(seed("arm", str(arm)) for arm in range(arms))
    policy = learner.fit(learner.initial(arms, features).update(contexts, shown, rewards), described, seed=11)
    with threadpool_limits(limits=1):
        whole = policy.weights(contexts[:rows])
        for size in (1, 2, 7, 64, 100):
            parts = [policy.weights(contexts[at : min(at + size, rows)]) for at in range(0, rows, size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes(), size
        turned = policy.weights(contexts[:rows][::-1].copy())[::-1]
        assert turned.tobytes() == whole.tobytes()


def test_merging_eight_parts_in_any_order_is_one_pass(learner):
    contexts, arms, rewards = logs()
    whole = learner.initial(ARMS, FEATURES).update(contexts, arms, rewards)
    parts = [
        learner.initial(ARMS, FEATURES).update(contexts[rows], arms[rows], rewards[rows])
        for rows in np.array_split(np.random.default_rng(8).permutation(ROWS), 8)
    ]
    for shuffle in range(3):
        order = np.random.default_rng(shuffle).permutation(8)
        left = parts[order[0]]
        for part in order[1:]:
            left = left.merge(parts[part])
        pairs = [parts[order[i]].merge(parts[order[i + 1]]) for i in range(0, 8, 2)]
        tree = pairs[0].merge(pairs[1]).merge(pairs[2].merge(pairs[3]))
        for merged in (left, tree):
            assert merged.rows == whole.rows == ROWS
            assert_same(merged.arrays(), whole.arrays(), rtol=1e-9)


def test_a_weight_is_a_number_of_rows(learner):
    contexts, arms, rewards = logs()
    times = np.random.default_rng(9).integers(0, 4, ROWS)
    empty = learner.initial(ARMS, FEATURES)
    weighted = empty.update(contexts, arms, rewards, times.astype(float))
    repeated = empty.update(*(np.repeat(column, times, axis=0) for column in (contexts, arms, rewards)))
    assert weighted.rows == ROWS
    policies = [learner.fit(state, DESCRIBED, seed=11) for state in (weighted, repeated)]
    np.testing.assert_allclose(*(policy.weights(contexts) for policy in policies), rtol=1e-9)
    ones = empty.update(contexts, arms, rewards, np.ones(ROWS))
    assert_same(ones.arrays(), empty.update(contexts, arms, rewards).arrays(), rtol=1e-12)


def test_forgetting_is_a_share_that_stays_a_day(learner):
    assert learner.forgetting == 1
    if "forgetting" in {field.name for field in dataclasses.fields(learner)}:
        assert dataclasses.replace(learner, forgetting=0.5).forgetting == 0.5
        for wrong in (0.0, -0.5, 1.5, float("nan")):
            with pytest.raises(InvalidInputError, match="forgetting"):
                dataclasses.replace(learner, forgetting=wrong)


def test_states_are_values(learner):
    before = learner.initial(ARMS, FEATURES)
    after = before.update(*logs())
    copies = {name: array.copy() for name, array in after.arrays().items()}
    after.update(*logs())
    after.merge(after)
    assert before.rows == 0
    assert_same(after.arrays(), copies, rtol=0)


def test_a_state_without_rows_changes_nothing(learner):
    state = learner.initial(ARMS, FEATURES).update(*logs())
    assert_same(state.merge(learner.initial(ARMS, FEATURES)).arrays(), state.arrays(), rtol=0)


def test_states_and_policies_travel_as_plain_arrays(learner):
    state = learner.initial(ARMS, FEATURES).update(*logs())
    policy = learner.fit(state, DESCRIBED, seed=11)
    same_state = learner.state_type.from_arrays(through_npz(state.arrays()))
    same_policy = learner.policy_type.from_arrays(through_npz(policy.arrays()))
    assert_same(same_state.arrays(), state.arrays(), rtol=0)
    contexts = logs()[0]
    np.testing.assert_array_equal(same_policy.weights(contexts), policy.weights(contexts))
    np.testing.assert_array_equal(
        learner.fit(same_state, DESCRIBED, 11).weights(contexts), policy.weights(contexts)
    )
    assert isinstance(policy, Policy)
    if isinstance(policy, RewardModel):
        np.testing.assert_array_equal(
            same_policy.expected_rewards(contexts), policy.expected_rewards(contexts)
        )


def test_the_order_of_arms_has_no_say(learner):
    contexts, arms, rewards = logs()
    order = np.array([3, 0, 4, 1, 2])
    place = np.argsort(order)
    shuffled = learner.fit(
        learner.initial(ARMS, FEATURES).update(contexts, place[arms], rewards),
        Arms(KEYS[order], DESCRIBED.features[order]),
        seed=11,
    )
    np.testing.assert_allclose(
        shuffled.weights(contexts), fitted(learner).weights(contexts)[:, order], rtol=1e-9
    )


def test_batches_of_users_have_no_say(learner):
    contexts, policy = logs()[0], fitted(learner)
    alone = np.vstack([policy.weights(contexts[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, policy.weights(contexts)[:20], rtol=1e-12)


def test_what_does_not_fit_is_refused(learner):
    contexts, arms, rewards = logs()
    state = learner.initial(ARMS, FEATURES)
    for call, message in (
        (lambda: state.update(contexts, arms + 2, rewards), "arms has"),
        (lambda: state.update(contexts, arms, rewards[1:]), "rewards must have shape"),
        (lambda: state.update(contexts, arms, np.where(arms == 0, np.nan, rewards)), "not finite"),
        (lambda: state.update(contexts, arms, rewards, -np.ones(ROWS)), "400 values below 0"),
        (lambda: state.update(contexts, arms, rewards, np.ones(2)), "weights must have shape"),
        (lambda: state.merge(learner.initial(ARMS + 1, FEATURES)), "cannot merge"),
        (lambda: learner.fit(state, Arms.plain(KEYS[1:]), 0), "5 arms can't be fitted to 4"),
        (lambda: learner.state_type.from_arrays({"other": arms}), "is made of"),
        (lambda: learner.policy_type.from_arrays({"other": arms}), "is made of"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()


def test_among_some_arms_a_policy_knows_of_each_what_it_knew(learner):
    policy, contexts, some = fitted(learner), logs()[0], np.array([3, 0, 2])
    fewer = policy.among(some)
    weights = fewer.weights(contexts)
    assert weights.shape == (ROWS, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    if isinstance(policy, RewardModel):
        expected = policy.expected_rewards(contexts)
        np.testing.assert_allclose(fewer.expected_rewards(contexts), expected[:, some], rtol=1e-12)
    everything = policy.among(np.arange(ARMS)).weights(contexts)
    np.testing.assert_array_equal(everything, policy.weights(contexts))
    turned = policy.among(np.arange(ARMS)[::-1]).weights(contexts)
    np.testing.assert_allclose(turned[:, ::-1], policy.weights(contexts), rtol=1e-9, atol=1e-12)
    if "thompson" in learner.kind:  # the highest of each draw among those that can be had
        some = np.sort(some)
        scores = np.einsum("akd,nd->nak", policy.coefficients[some], contexts)
        best = scores >= scores.max(axis=1, keepdims=True)
        shares = (best / best.sum(axis=1, keepdims=True)).mean(axis=2)
        np.testing.assert_allclose(policy.among(some).weights(contexts), shares, atol=1e-12)

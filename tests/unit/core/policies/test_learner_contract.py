"""What every learner, its state and its policy promise; a new learner joins by being in LEARNERS."""

import io

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy, RewardModel

ARMS, FEATURES, ROWS = 5, 3, 400
KEYS = [seed("arm", str(arm)) for arm in range(ARMS)]

pytestmark = pytest.mark.parametrize("learner", [kind() for kind in LEARNERS.values()], ids=list(LEARNERS))


def logs(rows=ROWS, negative=False):
    generator = np.random.default_rng(7)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    arms = generator.integers(0, ARMS - 1, rows)  # the last arm is new
    rewards = (generator.random(rows) < 0.1 + 0.1 * arms) - (0.5 if negative else 0.0)
    return contexts, arms, rewards


def fitted(learner, logged=None):
    return learner.fit(learner.initial(ARMS, FEATURES).update(*(logged or logs())), KEYS, seed=11)


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


def test_weights_are_probabilities(learner):
    for logged in (logs(), logs(negative=True), logs(rows=0)):
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
    policy = learner.fit(state, KEYS, seed=11)
    same_state = learner.state_type.from_arrays(through_npz(state.arrays()))
    same_policy = learner.policy_type.from_arrays(through_npz(policy.arrays()))
    assert_same(same_state.arrays(), state.arrays(), rtol=0)
    contexts = logs()[0]
    np.testing.assert_array_equal(same_policy.weights(contexts), policy.weights(contexts))
    np.testing.assert_array_equal(
        learner.fit(same_state, KEYS, 11).weights(contexts), policy.weights(contexts)
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
        [KEYS[a] for a in order],
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
        (lambda: state.merge(learner.initial(ARMS + 1, FEATURES)), "cannot merge"),
        (lambda: learner.fit(state, KEYS[1:], 0), "5 distinct keys"),
        (lambda: learner.fit(state, [KEYS[0]] * ARMS, 0), "5 distinct keys"),
        (lambda: learner.state_type.from_arrays({"other": arms}), "is made of"),
        (lambda: learner.policy_type.from_arrays({"other": arms}), "is made of"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()

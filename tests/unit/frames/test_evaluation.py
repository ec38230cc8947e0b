"""What an evaluation makes of matured rows, against enumerations by hand."""

import hashlib
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.popularity import PopularityPolicy
from nightslate.frames.encoding import Encoder
from nightslate.frames.evaluation import LOGGED, CrossFit, Evaluator
from nightslate.frames.samples import folds_of, user_keys

ARMS = ("a", "b", "c", "d")
PROGRAM, FOLDS, FLOOR = "shop", 2, 0.2
EXPECTED = (np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.9, 0.1, 0.5, 0.0]))
"""What the policy of each fold expects of the arms: they differ, so that a mix-up shows."""


def user(number):
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


def evaluator(supported=(True,) * 4, arms=ARMS):
    places = [ARMS.index(arm) for arm in arms]
    policies = [PopularityPolicy(expected[places]) for expected in EXPECTED]
    return Evaluator(
        arms=arms,
        supported=np.array(supported),
        encoder=Encoder((), ()),
        floor=FLOOR,
        resamples=100,
        crossfit=CrossFit({"popularity": policies}, policies),
    )


def matured(rows):
    """(user, slot, arm, propensity, reward) as the rows that samples makes."""
    users, slots, arms, propensities, rewards = zip(*rows, strict=True)
    return pa.table(
        {
            "user_id": [user(number) for number in users],
            "slot": pa.array(slots, pa.int32()),
            "arm_id": list(arms),
            "propensity": pa.array(propensities, pa.float64()),
            "reward": pa.array(rewards, pa.float64()),
        }
    )


def every_arm_once(users=range(20), slots=(1, 2, 3)):
    """Logs that show each user each arm once in each slot, as a uniform policy does on average."""
    return matured(
        [
            (u, slot, arm, 0.25, float((u * 7 + slot * 3 + place * 5) % 4 == 0))
            for u in users
            for slot in slots
            for place, arm in enumerate(ARMS)
        ]
    )


def update(rows, how=None, state=None):
    how = how or evaluator()
    return how.update(state or how.initial(PROGRAM), rows, PROGRAM)


def values(state):
    """Estimates by policy and estimator."""
    return {(e.policy, e.estimator): e for e in state.results() if e.reference is None}


def in_slot(expected, slot):
    """By enumerating all rankings: the probability of each arm in the slot."""
    policy = PopularityPolicy(expected)
    weights = mix_floor(policy.weights(np.ones((1, 1))), FLOOR)[0].astype(float)
    found = np.zeros(len(weights))
    for ranking in permutations(range(len(weights))):
        left, chance = weights.sum(), 1.0
        for arm in ranking:
            chance *= weights[arm] / left
            left -= weights[arm]
        found[ranking[slot - 1]] += chance
    return found


def folds(rows):
    return folds_of(user_keys(rows), PROGRAM, FOLDS)


def by_hand(rows, column):
    """The mean of a row's figure under the policy of its user's fold."""
    targets = {(f, s): in_slot(EXPECTED[f], s) for f in range(FOLDS) for s in (1, 2, 3)}
    found = []
    for fold, row in zip(folds(rows), rows.to_pylist(), strict=True):
        target = targets[fold, row["slot"]]
        weight = target[ARMS.index(row["arm_id"])] / row["propensity"]
        q = EXPECTED[fold]
        residual = weight * (row["reward"] - q[ARMS.index(row["arm_id"])])
        found.append({"ips": weight * row["reward"], "weight": weight, "dr": target @ q + residual}[column])
    return float(np.mean(found))


def test_both_folds_are_in_play():
    assert set(folds(every_arm_once())) == {0, 1}


def test_a_user_is_weighed_by_the_policy_that_was_fitted_without_its_fold():
    rows = every_arm_once()
    found = values(update(rows))
    assert found["popularity", "ips"].value == pytest.approx(by_hand(rows, "ips"), rel=1e-12)
    assert found["popularity", "dr"].value == pytest.approx(by_hand(rows, "dr"), rel=1e-12)
    assert found["popularity", "ips"].n == rows.num_rows


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_the_expected_importance_weight_is_1(slot):
    for number in range(6):
        rows = every_arm_once(users=[number], slots=[slot])
        assert values(update(rows))["popularity", "ips"].mean_weight == pytest.approx(1, abs=1e-12)


def test_the_value_of_the_logged_policy_is_the_mean_reward():
    rows = matured([(n, 1, ARMS[n % 4], (n % 9 + 1) / 10, float(n % 3)) for n in range(60)])
    found = values(update(rows))
    for estimator in ("ips", "snips", "dr"):
        logged = found[LOGGED, estimator]
        assert logged.value == pytest.approx(np.mean([n % 3 for n in range(60)]), rel=1e-12)
        assert (logged.mean_weight, logged.max_weight, logged.ess) == (1, 1, 60)
        assert logged.unsupported_share == 0


def test_an_arm_that_is_gone_has_weight_0_but_its_rewards_were_earned():
    rows = matured([(n, 1, "gone", 0.5, 1.0) for n in range(10)])
    found = values(update(rows))
    assert found["popularity", "ips"].mean_weight == 0
    assert found["popularity", "ips"].value == 0
    assert found[LOGGED, "dr"].value == 1.0
    expected = np.mean([in_slot(EXPECTED[fold], 1) @ EXPECTED[fold] for fold in folds(rows)])
    assert found["popularity", "dr"].value == pytest.approx(expected, rel=1e-12)


def test_arms_are_matched_by_id_whatever_their_order():
    rows = every_arm_once()
    for key, estimate in values(update(rows, evaluator(arms=("d", "b", "a", "c")))).items():
        assert estimate.value == pytest.approx(values(update(rows))[key].value, rel=1e-12)


def test_the_mass_on_arms_that_the_logs_never_show_is_reported():
    rows = every_arm_once(slots=[2])
    found = values(update(rows, evaluator(supported=(True, False, True, False))))
    expected = np.mean([in_slot(EXPECTED[fold], 2)[[1, 3]].sum() for fold in folds(rows)])
    assert found["popularity", "ips"].unsupported_share == pytest.approx(expected, rel=1e-12)


def figures(state):
    return [
        [e.value, e.stderr, e.lower, e.upper, e.ess, e.max_weight, e.mean_weight, e.unsupported_share]
        for e in state.results()
    ]


def test_rows_may_come_in_any_number_of_updates_and_states():
    rows = every_arm_once()
    together = figures(update(rows))
    halves = update(rows.slice(100), state=update(rows.slice(0, 100)))
    merged = update(rows.slice(33)).merge(update(rows.slice(0, 33)))
    shuffled = update(rows.take(np.random.default_rng(2).permutation(rows.num_rows)))
    for other in (halves, merged, shuffled):
        np.testing.assert_allclose(figures(other), together, rtol=1e-10)
    assert shuffled.clusters == 20


def test_the_state_of_no_rows_has_no_figures():
    how = evaluator()
    assert {e.value for e in how.initial(PROGRAM).results()} == {None}

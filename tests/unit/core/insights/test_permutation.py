"""Permutation importance, held against scikit-learn's and against what is true."""

import numpy as np
import pytest
from sklearn.inspection import permutation_importance as peer_importance
from sklearn.linear_model import LinearRegression

from nightslate.core.insights import HeldOut, Permutation, fitted_regression, permutation_importance
from nightslate.core.policies import Arms, LinearThompson

BETA = np.array([0.0, 1.0, -0.5])


def logs(n, seed, users=None):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    y = x @ BETA + rng.normal(size=n)
    user = rng.integers(users, size=n) if users else np.arange(n)
    return x, y, user.astype(np.uint64), rng.permutation(n).astype(np.uint64) + 1


def importance(x, y, users, keys, feature, beta=BETA, repeats=5, weights=None, seed=1):
    def losses(donor=None):
        moved = x.copy()
        if donor is not None:
            moved[:, feature] = x[donor, feature]
        return (y - moved @ beta) ** 2

    weights = np.ones(len(y)) if weights is None else weights
    rows = Permutation(keys, users, weights)
    return permutation_importance(rows, losses(), losses, seed, repeats, 0.95)


def test_it_is_scikit_learn_s_but_for_who_is_shuffled():
    x, y, users, keys = logs(400, 1)
    weights = np.random.default_rng(2).uniform(0.5, 2, 400)
    model = LinearRegression().fit(x, y)
    peer = peer_importance(
        model, x, y, scoring="neg_mean_squared_error", n_repeats=100, random_state=1, sample_weight=weights
    )

    def losses(feature, donor=None):
        moved = x.copy()
        if donor is not None:
            moved[:, feature] = x[donor, feature]
        return (y - model.predict(moved)) ** 2

    for feature in range(3):
        rows = Permutation(keys, users, weights)
        found = permutation_importance(
            rows, losses(feature), lambda donor, at=feature: losses(at, donor), 5, 100, 0.95
        )
        error = peer.importances_std[feature] * np.sqrt(2 / 100)
        assert abs(found.value - peer.importances_mean[feature]) <= 4 * error
    assert found.loss == pytest.approx(np.average(losses(0), weights=weights))


def test_who_gets_whose_values_follows_from_keys_and_not_from_the_order_of_rows():
    x, y, users, keys = logs(50, 2)
    order = np.random.default_rng(1).permutation(50)
    one, other = (
        importance(x, y, users, keys, 1),
        importance(x[order], y[order], users[order], keys[order], 1),
    )
    assert one.value == pytest.approx(other.value, rel=1e-12)
    assert one.stderr == pytest.approx(other.stderr, rel=1e-12)
    donors = list(Permutation(keys, users, np.ones(50)).donors(1, 3))
    assert all(sorted(donor) == list(range(50)) for donor in donors)
    assert len({tuple(donor) for donor in donors}) == 3


def test_intervals_cover_what_is_true_of_rows_clustered_by_user():
    """Of a linear model and independent features it is 2 beta**2 Var(x): over 400 logs, with rows of a user
    that are alike."""
    covered, stderrs, values, times = 0, [], [], 400
    for seed in range(times):
        x, y, users, _ = logs(60, seed)
        x, y, users = np.repeat(x, 3, axis=0), np.repeat(y, 3), np.repeat(users, 3)
        found = importance(x, y, users, np.random.default_rng(seed).permutation(180).astype(np.uint64), 1)
        covered += found.lower <= 2.0 <= found.upper
        stderrs.append(found.stderr)
        values.append(found.value)
    assert 0.90 <= covered / times <= 0.98  # skewed sums of 60 users
    assert np.mean(stderrs) == pytest.approx(np.std(values), rel=0.15)


def test_a_feature_that_nothing_goes_by_has_no_importance_and_no_interval():
    x, y, users, keys = logs(50, 3)
    found = importance(x, y, users, keys, 0)
    assert (found.value, found.stderr, found.lower, found.upper) == (0.0, None, None, None)
    of_one = importance(x, y, np.zeros(50, dtype=np.uint64), keys, 1)
    assert of_one.value > 0
    assert of_one.lower is None


@pytest.mark.parametrize("pooling", ["shared", "hybrid", "disjoint"])
def test_the_one_feature_that_matters_comes_first(pooling):
    """Whether discounts are for those who lapsed: of two features of contexts and two of arms."""
    rng = np.random.default_rng(4)
    n, features = 3000, np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, 0]], dtype=float)
    contexts = np.column_stack([np.ones(n), rng.integers(2, size=n), rng.integers(2, size=n)]).astype(float)
    arms = rng.integers(4, size=n)
    rewards = np.where(contexts[:, 1] == features[arms, 1], 0.5, -0.5) + rng.normal(0, 0.3, n)
    learner, known = LinearThompson(pooling=pooling), Arms(np.arange(1, 5, dtype=np.uint64), features)
    fold_of = rng.integers(2, size=n)
    regressions = [
        fitted_regression(
            learner,
            learner.initial(4, 3).update(*(v[fold_of != f] for v in (contexts, arms, rewards))),
            known,
        )
        for f in range(2)
    ]
    held_out = HeldOut.of(regressions, fold_of, contexts, arms, rewards)
    rows = Permutation(np.arange(n, dtype=np.uint64), np.arange(n, dtype=np.uint64), np.ones(n))
    matters, not_so = (held_out.of_context(slice(at, at + 1), rows, at, 0.95) for at in (1, 2))
    assert matters.lower > 0.4  # half of all rows change sides: 1 * 0.5
    assert abs(not_so.value) < 0.01
    assert matters.loss == pytest.approx(0.09, abs=0.01)
    assert held_out.of_arm(rows, 7, 0.95).lower > 0.4
    if pooling != "disjoint":
        of_arms = [held_out.of_arm_feature(slice(at, at + 1), rows, at, 0.95) for at in (1, 2)]
        assert of_arms[0].value > (0.4 if pooling == "shared" else 0.02)
        assert abs(of_arms[1].value) < 0.01

import io
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor
from tests.oracles.reward_model import CrossFitted, FoldSums, cross_fit, folds_of, mrdr_weights

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix
from nightslate.core.policies.learner import Arms

ROWS, ARMS, FEATURES, FOLDS = 400, 3, 4, 5
PLAIN = Arms.plain(range(ARMS))


def logs():
    generator = np.random.default_rng(8)
    contexts = np.column_stack([np.ones(ROWS), generator.normal(size=(ROWS, FEATURES - 1))])
    arms = generator.integers(0, ARMS, ROWS)
    rewards = generator.normal(contexts @ generator.normal(size=(FEATURES, ARMS))[:, 0] + arms, 0.5)
    cluster = mix(generator.integers(0, 60, ROWS, dtype=np.uint64), 3)
    target = generator.dirichlet(np.ones(ARMS), ROWS)
    return contexts, arms, rewards, cluster, target


def sums(rows=slice(None), weights=None):
    contexts, arms, rewards, cluster, _ = logs()
    return FoldSums.initial(ARMS, FEATURES).update(
        contexts[rows], arms[rows], rewards[rows], cluster[rows], weights
    )


def by_hand(predict_without):
    """q_logged and v_target row by row; predict_without: rows to fit, contexts -> (n, A)."""
    contexts, arms, _, cluster, target = logs()
    fold_of = folds_of(cluster, FOLDS, 0)
    expected = np.empty((ROWS, ARMS))
    for fold in range(FOLDS):
        expected[fold_of == fold] = predict_without(fold_of != fold, contexts[fold_of == fold])
    return expected[np.arange(ROWS), arms], (expected * target).sum(axis=1)


def test_users_are_whole_and_folds_alike():
    cluster = mix(np.arange(5000, dtype=np.uint64), 1)
    folds = folds_of(cluster, FOLDS, 9)
    np.testing.assert_array_equal(folds_of(np.tile(cluster, 2), FOLDS, 9), np.tile(folds, 2))
    assert np.abs(np.bincount(folds) - 1000).max() < 120
    assert (folds_of(cluster, FOLDS, 10) != folds).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_linear_model_is_ridge_in_each_arm_without_the_fold(weighted, monkeypatch):
    contexts, arms, rewards, cluster, target = logs()
    weights = np.random.default_rng(2).uniform(0, 3, ROWS) if weighted else None

    def ridge(rows, new):
        columns = []
        pooled = _normal(contexts[rows], rewards[rows], None if weights is None else weights[rows], 0.0)
        for arm in range(ARMS):
            mine = rows & (arms == arm)
            columns.append(
                new
                @ _normal(contexts[mine], rewards[mine], None if weights is None else weights[mine], pooled)
            )
        return np.stack(columns, axis=1)

    monkeypatch.setattr(arrays, "CHUNK_BYTES", 1000)
    got = sums(weights=weights).fit(PLAIN).expectations(contexts, arms, target, cluster)
    for mine, expected in zip(got, by_hand(ridge), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-9)


def _normal(x, r, weights, prior):
    """Ridge of precision 1 around `prior`; arms start from the ridge fit of all rows together."""
    w = np.ones(len(r)) if weights is None else weights
    return np.linalg.solve((x.T * w) @ x + np.eye(FEATURES), (x.T * w) @ r + prior)


@pytest.mark.parametrize("estimator", [Ridge(), LogisticRegression(), DecisionTreeRegressor(random_state=0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_estimator_is_fitted_without_the_fold(estimator, weighted, monkeypatch):
    contexts, arms, rewards, cluster, target = logs()
    classifier = isinstance(estimator, LogisticRegression)
    rewards = (rewards > 0).astype(float) if classifier else rewards
    weights = np.random.default_rng(2).uniform(0.1, 3, ROWS) if weighted else None
    features = np.array([[1.0, 7.0], [1.0, -1.0], [1.0, 0.5]])
    known = Arms(np.arange(ARMS, dtype=np.uint64), features)

    def fitted(rows, new):
        model = estimator.fit(
            np.hstack([contexts, features[arms, 1:], np.eye(ARMS)[arms]])[rows],
            rewards[rows],
            None if weights is None else weights[rows],
        )
        predict = (lambda x: model.predict_proba(x)[:, 1]) if classifier else model.predict
        return np.stack(
            [
                predict(np.hstack([new, np.tile([*features[a, 1:], *np.eye(ARMS)[a]], (len(new), 1))]))
                for a in range(ARMS)
            ],
            axis=1,
        )

    monkeypatch.setattr(arrays, "CHUNK_BYTES", 1000)
    models = cross_fit(estimator, contexts, arms, rewards, cluster, known, weights)
    got = models.expectations(contexts, arms, target, cluster)
    for mine, expected in zip(got, by_hand(fitted), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["sums", "estimator"])
def test_no_user_has_a_say_in_what_is_expected_of_it(kind):
    contexts, arms, rewards, cluster, target = logs()
    user = cluster == cluster[0]
    expected = []
    for change in (0.0, 1000.0):
        changed = rewards + change * user
        if kind == "sums":
            models = FoldSums.initial(ARMS, FEATURES).update(contexts, arms, changed, cluster).fit(PLAIN)
        else:
            models = cross_fit(LinearRegression(), contexts, arms, changed, cluster, PLAIN)
        expected.append(np.array(models.expectations(contexts, arms, target, cluster)))
    np.testing.assert_array_equal(expected[0][:, user], expected[1][:, user])
    assert (expected[0] != expected[1]).any()


def test_merging_parts_in_any_order_is_one_pass():
    whole = sums()
    parts = [sums(np.arange(ROWS) % 8 == k) for k in range(8)]
    for order in (range(8), (3, 1, 7, 0, 2, 6, 5, 4)):
        merged = reduce(FoldSums.merge, (parts[k] for k in order))
        for name, array in whole.arrays().items():
            np.testing.assert_allclose(merged.arrays()[name], array, rtol=1e-9, atol=1e-9)
    for other in (FoldSums.initial(ARMS, FEATURES, seed=1), FoldSums.initial(ARMS, FEATURES, folds=2)):
        with pytest.raises(InvalidInputError, match="cannot merge"):
            whole.merge(other)


def test_the_state_travels_as_plain_arrays():
    contexts, arms, _, cluster, target = logs()
    file = io.BytesIO()
    np.savez(file, **sums().arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        again = FoldSums.from_arrays(dict(loaded))
    here, there = (s.fit(PLAIN).expectations(contexts, arms, target, cluster) for s in (sums(), again))
    np.testing.assert_array_equal(here, there)
    with pytest.raises(InvalidInputError, match="is made of"):
        FoldSums.from_arrays({"seed": np.zeros(())})


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(-5, 5), st.floats(-5, 5))
def test_mrdr_weights_make_dr_vary_least(p, q, first, second):
    """Two arms of which the target shows the first always: the constant that MRDR's weighted least squares
    expects of it has a variance of DR that no other constant beats."""
    mean, share = (first + second) / 2, np.array([q, 1 - q])
    rewards = np.array([first, second])
    weight = mrdr_weights(np.full(2, p), np.ones(2))
    fitted = float((weight * share) @ rewards / (weight * share).sum())

    def variance(model):
        shown = model + (rewards - model) / p
        values, chances = np.append(shown, model), np.append(p * share, 1 - p)
        return float(chances @ values**2 - (chances @ values) ** 2)

    for other in (fitted - 0.1, fitted + 0.1, mean):
        assert variance(fitted) <= variance(other) + 1e-9


def test_mrdr_weights_are_those_of_the_target():
    np.testing.assert_allclose(mrdr_weights(np.array([0.5, 1.0]), np.array([0.2, 0.3])), [0.4, 0])


def test_what_does_not_fit_is_refused():
    contexts, arms, rewards, cluster, target = logs()
    models = sums().fit(PLAIN)
    assert isinstance(models, CrossFitted)
    with pytest.raises(InvalidInputError, match="arms has"):
        models.expectations(contexts, arms + 1, target, cluster)
    with pytest.raises(InvalidInputError, match="need as many contexts"):
        models.expectations(contexts[1:], arms, target, cluster)
    with pytest.raises(InvalidInputError, match="each row has"):
        FoldSums.initial(ARMS, FEATURES).update(contexts, arms, rewards[1:], cluster)
    with pytest.raises(InvalidInputError, match="uint64"):
        FoldSums.initial(ARMS, FEATURES).update(contexts, arms, rewards, cluster.astype(np.int64))
    with pytest.raises(InvalidInputError, match="weights has"):
        sums(weights=-np.ones(ROWS))
    with pytest.raises(InvalidInputError, match="at least 2 folds"):
        folds_of(cluster, 1, 0)
    with pytest.raises(InvalidInputError, match="too few users"):
        cross_fit(Ridge(), contexts, arms, rewards, np.zeros(ROWS, dtype=np.uint64), PLAIN)
    with pytest.raises(InvalidInputError, match="0 or 1"):
        cross_fit(LogisticRegression(), contexts, arms, rewards, cluster, PLAIN)
    with pytest.raises(InvalidInputError, match="LogisticRegression can't be fitted"):
        cross_fit(LogisticRegression(), contexts, arms, 0 * rewards, cluster, PLAIN)
    with pytest.raises(InvalidInputError, match="contexts has 1 of"):
        cross_fit(
            Ridge(), np.where(contexts == contexts[3, 2], np.nan, contexts), arms, rewards, cluster, PLAIN
        )

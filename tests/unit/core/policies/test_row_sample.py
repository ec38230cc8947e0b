import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.row_sample import RowSample, content_keys

ARMS, FEATURES = 3, 2
NUMBERS = st.sampled_from([-1.5, -0.0, 0.0, 0.25, 2.0])
ROW = st.tuples(NUMBERS, NUMBERS, st.integers(0, ARMS - 1), NUMBERS, st.sampled_from([0.0, 0.5, 1.0]))
LOGS = st.lists(ROW, max_size=40)


def sampled(rows, max_rows):
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return RowSample.empty(ARMS, FEATURES, max_rows).update(
        table[:, :2], table[:, 2].astype(np.int64), table[:, 3], table[:, 4]
    )


def assert_equal(left, right):
    for name, array in left.arrays().items():
        np.testing.assert_array_equal(array, right.arrays()[name], err_msg=name)


def distinct_normals(rows, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(rows, FEATURES)), generator.integers(0, ARMS, rows), np.ones(rows)


@settings(deadline=None, max_examples=60)
@given(parts=st.tuples(LOGS, LOGS, LOGS), max_rows=st.integers(2, 30), data=st.data())
def test_any_tree_of_merges_is_one_pass_whatever_is_left_out(parts, max_rows, data):
    rows = [row for part in parts for row in part]
    one_pass = sampled(data.draw(st.permutations(rows)), max_rows)
    a, b, c = (sampled(part, max_rows) for part in parts)
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        assert_equal(merged, one_pass)
    assert one_pass.rows == len(rows)


@settings(deadline=None, max_examples=60)
@given(rows=LOGS, max_rows=st.integers(2, 30))
def test_what_is_kept_are_the_rows_of_the_smallest_hashes_with_all_their_weight(rows, max_rows):
    weights, counts = {}, {}
    for x1, x2, arm, reward, weight in rows:
        key = (x1 + 0.0, x2 + 0.0, arm, reward + 0.0)
        weights[key] = weights.get(key, 0) + weight
        counts[key] = counts.get(key, 0) + 1
    state = sampled(rows, max_rows)
    table = np.array(list(weights), dtype=np.float64).reshape(-1, 4)
    hashes = content_keys(table[:, :2], table[:, 2].astype(np.uint64), table[:, 3])
    expected = [list(weights)[place] for place in np.argsort(hashes)[:max_rows]]
    kept = [
        (*x.tolist(), int(arm), float(reward))
        for x, arm, reward in zip(state.contexts, state.places, state.rewards, strict=True)
    ]
    assert kept == expected
    assert state.weights.tolist() == [weights[key] for key in expected]
    assert state.counts.tolist() == [counts[key] for key in expected]


def test_a_complete_sample_is_all_rows_of_some_weight():
    contexts, arms, rewards = distinct_normals(50)
    weights = np.arange(50.0)
    rows = RowSample.empty(ARMS, FEATURES, 50).update(contexts, arms, rewards, weights).sample()
    assert rows.scale == 1.0
    assert len(rows.weights) == 49  # one row has weight 0
    assert rows.weights.sum() == weights.sum()


def test_totals_of_a_partial_sample_are_unbiased():
    """The mean over 400 logs of the estimated total, against the total: 3 standard errors."""
    estimates = []
    for seed in range(400):
        contexts, arms, rewards = distinct_normals(200, seed)
        rows = RowSample.empty(ARMS, FEATURES, 41).update(contexts, arms, rewards).sample()
        assert len(rows.weights) == 40
        estimates.append(rows.scale * rows.weights.sum())
    spread = np.std(estimates) / np.sqrt(400)
    assert spread < 2
    assert abs(np.mean(estimates) - 200) < 3 * spread


def test_hashes_tell_columns_apart():
    one = np.array([[0.5, 2.0], [2.0, 0.5], [0.5, 0.5], [2.0, 2.0]])
    keys = [
        content_keys(one, np.full(4, arm, np.uint64), np.full(4, r)) for arm in (0, 1) for r in (0.5, 2.0)
    ]
    assert np.unique(keys).size == 16


def test_what_does_not_fit_is_refused():
    state = RowSample.empty(ARMS, FEATURES, 10)
    for other in (
        RowSample.empty(ARMS + 1, FEATURES, 10),
        RowSample.empty(ARMS, FEATURES + 1, 10),
        RowSample.empty(ARMS, FEATURES, 11),
    ):
        with pytest.raises(InvalidInputError, match="cannot merge a sample"):
            state.merge(other)
    with pytest.raises(InvalidInputError, match="max_rows must be at least 2"):
        RowSample.empty(ARMS, FEATURES, 1)
    with pytest.raises(InvalidInputError, match="contexts must have shape"):
        state.update(np.ones((2, 3)), np.zeros(2, dtype=np.int64), np.zeros(2))

import io
from functools import reduce

import numpy as np
import pytest
from tests.unit.core.ope.worlds import Slates, cascading, expectation

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix
from nightslate.core.ope import BANDIT_ESTIMATORS, ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.ope.evaluation_state import BINS, EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample

POLICIES = ("champion", "challenger", "uniform")
ROWS, CLUSTERS = 600, 120


def samples(rows=ROWS):
    """Three policies on the same random logs, and the key of each row's user."""
    generator = np.random.default_rng(12)
    shared = {
        "reward": generator.normal(1, 1, rows),
        "propensity": generator.uniform(0.1, 1, rows),
        "marginal_propensity": generator.uniform(0.1, 1, rows),
        "q_logged": generator.normal(size=rows),
        "q_logged_mrdr": generator.normal(size=rows),
    }
    of_policies = [
        Sample(
            **shared,
            target_propensity=generator.uniform(0, 1, rows),
            target_marginal_propensity=generator.uniform(0, 1, rows),
            v_target=generator.normal(size=rows),
            v_target_mrdr=generator.normal(size=rows),
            unsupported_mass=generator.uniform(0, 0.1, rows),
        )
        for _ in POLICIES
    ]
    return of_policies, mix(generator.integers(0, CLUSTERS, rows, dtype=np.uint64), 1)


def empty(seed=5, policies=POLICIES, **options):
    return EvaluationState.initial(policies, list(BANDIT_ESTIMATORS), seed=seed, **options)


def part(logged, rows):
    of_policies, cluster = logged
    return [sample.take(rows) for sample in of_policies], cluster[rows]


def assert_same(left, right, but=()):
    one, other = left.arrays(), right.arrays()
    assert one.keys() == other.keys()
    for name in one.keys() - set(but):
        if one[name].dtype.kind == "U":
            np.testing.assert_array_equal(one[name], other[name])
        else:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_sums_are_those_of_a_plain_loop_over_clusters():
    logged = samples()
    state = empty().update(*logged)
    of_policies, cluster = logged
    users = np.unique(cluster)
    for c, column in enumerate(state.columns):
        terms = [ESTIMATORS[column.estimator].terms(s, column.tuning)[column.pair] for s in of_policies]
        by_user = np.array(
            [
                [side[cluster == user].sum() for user in users]
                for k in (0, 1)
                for side in (t[k] for t in terms)
            ]
            + [[np.count_nonzero(cluster == user) for user in users]]
        )
        np.testing.assert_allclose(state.second[c], by_user @ by_user.T, rtol=1e-11)
        for p in range(len(POLICIES)):
            bins = np.zeros((BINS, 2))
            np.add.at(bins, mix(users, 5) % np.uint64(BINS), by_user[[p, len(POLICIES) + p]].T)
            np.testing.assert_allclose(state.bins[:, p, c], bins, rtol=1e-11, atol=1e-11)
    assert (state.n, state.clusters) == (ROWS, users.size)
    assert state.most_units == max(np.count_nonzero(cluster == user) for user in users)
    for p, sample in enumerate(of_policies):
        assert state.max_weights[p] == sample.weight.max()
        assert state.largest_weights[p] == sample.largest_weight
        assert state.squared_weights[p] == pytest.approx((sample.weight**2).sum())
        assert state.unsupported[p] == pytest.approx(sample.unsupported_mass.sum())
        weight_and_units = sample.weight.sum(), ROWS
        np.testing.assert_allclose(state.bins[:, p, -1].sum(axis=0), weight_and_units)


def test_merging_eight_parts_in_any_order_is_one_pass():
    """Cut clusters change only what says that it wants them whole."""
    logged = samples()
    whole = empty().update(*logged)
    by_cluster = logged[1] % np.uint64(8)
    cut = np.arange(ROWS) % 8
    for parts, but in ((by_cluster, ()), (cut, ("clusters", "second", "most_units"))):
        states = [empty().update(*part(logged, np.flatnonzero(parts == k))) for k in range(8)]
        for shuffle in range(3):
            order = np.random.default_rng(shuffle).permutation(8)
            merged = reduce(EvaluationState.merge, (states[k] for k in order))
            assert_same(merged, whole, but)
        left = reduce(EvaluationState.merge, states[:4]).merge(reduce(EvaluationState.merge, states[4:]))
        assert_same(left, whole, but)
    assert merged.clusters > whole.clusters


def test_chunks_and_updates_in_a_row_are_one_update(monkeypatch):
    logged = samples()
    whole = empty().update(*logged)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * 4 * 3 * 40)
    half = logged[1] < np.median(logged[1])
    state = empty()
    for rows in (half, ~half, np.zeros(ROWS, dtype=bool)):
        state = state.update(*part(logged, np.flatnonzero(rows)))
    assert_same(state, whole)
    assert_same(empty().update(*part(logged, np.random.default_rng(0).permutation(ROWS))), whole)


def test_a_state_is_a_value():
    first = empty()
    before = first.arrays()
    copies = {name: array.copy() for name, array in before.items()}
    second = first.update(*samples())
    second.merge(second)
    for name, array in before.items():
        np.testing.assert_array_equal(array, copies[name])


def test_the_state_travels_as_plain_arrays():
    state = EvaluationState.initial(POLICIES, ["clipped_ips", "snips", "dros"], {"dros": 4.0}, seed=2**64 - 1)
    state = state.update(*samples())
    file = io.BytesIO()
    np.savez(file, **state.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        again = EvaluationState.from_arrays(dict(loaded))
    assert (again.tunings, again.columns) == (state.tunings, state.columns)
    assert results(again) == results(state)
    assert again.merge(state).n == 2 * ROWS
    with pytest.raises(InvalidInputError, match="is made of"):
        EvaluationState.from_arrays({"seed": np.zeros(())})


def test_the_seed_decides_the_bins():
    logged = samples()
    assert_same(empty().update(*logged), empty().update(*logged))
    other = empty(seed=6).update(*logged)
    assert not np.array_equal(other.bins, empty().update(*logged).bins)
    np.testing.assert_allclose(other.bins.sum(axis=0), empty().update(*logged).bins.sum(axis=0))


def test_a_slate_state_holds_every_slate_estimator():
    world = Slates(cascading)
    sample = world.sample(world.right_model)
    copies = np.repeat(np.arange(sample.n), np.random.default_rng(4).integers(1, 6, sample.n))
    logged = [sample.take(copies)], mix(np.arange(copies.size, dtype=np.uint64), 0)
    state = EvaluationState.initial(("only",), list(SLATE_ESTIMATORS), slots=3).update(*logged)
    assert len(state.columns) == 8 + 2 * 2
    for estimate in results(state):
        expected = expectation(SLATE_ESTIMATORS[estimate.estimator], logged[0][0], np.ones(copies.size))
        assert estimate.value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, c: (s[:2], c), "3 policies need a sample each, got 2"),
        (lambda s, c: (s, c.astype(np.int64)), "cluster must be one uint64 key"),
        (lambda s, c: (s, c[:-1]), "cluster must be one uint64 key"),
        (lambda s, c: ([*s[:2], s[2].take(slice(0, 9))], c), "cluster must be one uint64 key"),
        (
            lambda s, c: ([Sample(x.reward, x.propensity, x.target_propensity) for x in s], c),
            "dm needs v_target, which is not there",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        empty().update(*change(*samples()))


def test_states_that_were_not_made_alike_do_not_merge():
    others = (
        empty(seed=6),
        empty(policies=("a", "b", "c")),
        empty(tunings={"dros": 1.0}),
        empty(slots=2),
        EvaluationState.initial(POLICIES, ["ips"], seed=5),
    )
    for other in others:
        with pytest.raises(InvalidInputError, match="cannot merge"):
            empty().merge(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("a", "a"), ["ips"]), "named and distinct"),
        (((), ["ips"]), "named and distinct"),
        ((("a",), ["ips"], {"magic": 1.0}), "of replay, ips"),
    ],
)
def test_a_state_of_nothing_known_is_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        EvaluationState.initial(*arguments)

import io
from functools import reduce

import numpy as np
import pytest

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import ESTIMATORS
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.sample import Sample
from nightslate.core.hashing import mix

POLICIES = ("champion", "challenger", "uniform")
ROWS, CLUSTERS, RESAMPLES = 600, 120, 200


def logs(rows=ROWS):
    generator = np.random.default_rng(12)
    cluster = mix(generator.integers(0, CLUSTERS, rows, dtype=np.uint64), 1)
    return {
        "reward": generator.normal(1, 1, rows),
        "propensity": generator.uniform(0.1, 1, rows),
        "target_propensity": generator.uniform(0, 1, (rows, len(POLICIES))),
        "q_logged": generator.normal(size=rows),
        "v_target": generator.normal(size=(rows, len(POLICIES))),
        "unsupported_mass": generator.uniform(0, 0.1, (rows, len(POLICIES))),
        "cluster": cluster,
    }


def empty(policies=POLICIES, resamples=RESAMPLES, seed=5):
    return EvaluationState.initial(policies, resamples, seed)


def rows_of(logged, rows):
    return {name: column[rows] for name, column in logged.items()}


def by_name(estimates):
    return {(e.policy, e.reference, e.estimator): e for e in estimates}


def assert_same(left, right, but=()):
    for name in left.arrays().keys() - set(but):
        if name == "policies":
            assert left.policies == right.policies
        else:
            np.testing.assert_allclose(left.arrays()[name], right.arrays()[name], rtol=1e-9, err_msg=name)


def test_values_and_diagnostics_are_those_of_all_rows():
    logged = logs()
    estimates = by_name(empty().update(**logged).results(0.9))
    assert len(estimates) == (3 + 6) * len(ESTIMATORS)
    for p, policy in enumerate(POLICIES):
        sample = Sample(
            logged["reward"],
            logged["propensity"],
            logged["target_propensity"][:, p],
            logged["q_logged"],
            logged["v_target"][:, p],
        )
        for name, terms in ESTIMATORS.items():
            numerator, denominator = terms(sample)
            estimate = estimates[policy, None, name]
            weight = sample.weight
            assert estimate.value == pytest.approx(numerator.sum() / denominator.sum())
            assert estimate.n == ROWS
            assert estimate.clusters == np.unique(logged["cluster"]).size
            assert estimate.ess == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
            assert estimate.max_weight == weight.max()
            assert estimate.mean_weight == pytest.approx(weight.mean())
            assert estimate.mean_weight_lower < estimate.mean_weight < estimate.mean_weight_upper
            assert estimate.unsupported_share == pytest.approx(logged["unsupported_mass"][:, p].mean())
            assert estimate.lower < estimate.value < estimate.upper
            assert (estimate.confidence, estimate.interval_method) == (0.9, "bootstrap")


def test_differences_are_paired():
    logged = logs()
    same = logged["target_propensity"].copy()
    same[:, 1] = same[:, 0]
    logged["target_propensity"], logged["v_target"] = same, np.tile(logged["v_target"][:, :1], (1, 3))
    estimates = by_name(empty().update(**logged).results())
    for name in ESTIMATORS:
        twin = estimates["challenger", "champion", name]
        assert (twin.value, twin.stderr, twin.lower, twin.upper) == (0, 0, 0, 0)
        ahead, behind = estimates["uniform", "champion", name], estimates["champion", "uniform", name]
        values = [estimates[policy, None, name].value for policy in ("uniform", "champion")]
        assert ahead.value == pytest.approx(values[0] - values[1])
        assert ahead.value == -behind.value
        assert ahead.lower == pytest.approx(-behind.upper)
        assert ahead.ess == estimates["uniform", None, name].ess


def test_merging_eight_parts_in_any_order_is_one_pass():
    logged = logs()
    whole = empty().update(**logged)
    by_cluster = logged["cluster"] % np.uint64(8)
    for part in (by_cluster, np.arange(ROWS) % 8):
        states = [empty().update(**rows_of(logged, part == k)) for k in range(8)]
        for shuffle in range(3):
            order = np.random.default_rng(shuffle).permutation(8)
            merged = reduce(EvaluationState.merge, (states[k] for k in order))
            assert_same(merged, whole, but=() if part is by_cluster else ("clusters",))
    assert merged.clusters > whole.clusters


def test_updates_in_a_row_are_one_update(monkeypatch):
    logged = logs()
    whole = empty().update(**logged)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * RESAMPLES * 4 * 9)
    order = np.argsort(logged["cluster"])
    first = logged["cluster"][order[ROWS // 2]]
    state = empty()
    for part in (logged["cluster"] < first, logged["cluster"] >= first, np.zeros(ROWS, dtype=bool)):
        state = state.update(**rows_of(logged, part))
    assert_same(state, whole)


def test_the_state_travels_as_plain_arrays():
    state = empty().update(**logs())
    file = io.BytesIO()
    np.savez(file, **state.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        again = EvaluationState.from_arrays(dict(loaded))
    assert again.results() == state.results()
    assert again.merge(state).n == 2 * ROWS
    with pytest.raises(InvalidInputError, match="is made of"):
        EvaluationState.from_arrays({"seed": np.zeros(())})


def test_the_seed_decides_the_replicates():
    logged = logs()
    assert empty().update(**logged).results() == empty().update(**logged).results()
    assert not np.array_equal(empty(seed=6).update(**logged).replicates, empty().update(**logged).replicates)


def test_users_that_repeat_themselves_are_not_counted_as_evidence():
    """60 users with 10 rows each, all rows of a user alike: an interval over users covers the truth as often
    as it says, an interval over rows does not."""
    covered = {"users": 0, "rows": 0}
    trials = 150
    for trial in range(trials):
        generator = np.random.default_rng(trial)
        user = np.repeat(np.arange(60, dtype=np.uint64), 10)
        reward = np.repeat(generator.normal(size=60), 10)
        ones = np.ones((600, 1))
        for name, cluster in (("users", user), ("rows", np.arange(600, dtype=np.uint64))):
            state = EvaluationState.initial(("same",), 200, trial).update(
                reward, ones[:, 0], ones, 0 * reward, 0 * ones, 0 * ones, cluster
            )
            estimate = by_name(state.results(0.9))["same", None, "snips"]
            covered[name] += estimate.lower <= 0 <= estimate.upper
    assert covered["users"] / trials == pytest.approx(0.9, abs=0.07)
    assert covered["rows"] / trials < 0.6


def test_the_standard_error_is_that_of_the_clusters():
    generator = np.random.default_rng(2)
    rows = 2000
    reward, ones = generator.normal(5, 1, rows), np.ones((rows, 1))
    state = EvaluationState.initial(("same",), 2000, 1).update(
        reward, ones[:, 0], ones, 0 * reward, 0 * ones, 0 * ones, np.arange(rows, dtype=np.uint64)
    )
    estimate = by_name(state.results(0.95))["same", None, "ips"]
    assert estimate.stderr == pytest.approx(reward.std() / np.sqrt(rows), rel=0.08)
    assert estimate.upper - estimate.lower == pytest.approx(2 * 1.96 * estimate.stderr, rel=0.08)


def test_no_rows_give_no_figures():
    for estimate in empty().update(**logs(rows=0)).results():
        assert estimate.n == estimate.clusters == 0
        figures = (estimate.value, estimate.stderr, estimate.lower, estimate.upper, estimate.ess)
        weights = (estimate.mean_weight, estimate.mean_weight_lower, estimate.mean_weight_upper)
        assert {*figures, *weights, estimate.max_weight, estimate.unsupported_share} == {None}


def test_one_user_gives_a_value_but_no_interval():
    logged = logs(rows=5)
    logged["cluster"][:] = 7
    for estimate in empty().update(**logged).results():
        assert estimate.value is not None
        assert estimate.stderr is estimate.lower is estimate.mean_weight_lower is None


def test_a_target_that_shows_nothing_of_the_logs_has_no_snips():
    logged = logs()
    logged["target_propensity"][:, 0] = 0
    estimates = by_name(empty().update(**logged).results())
    assert estimates["champion", None, "snips"].value is None
    assert estimates["uniform", "champion", "snips"].value is None
    assert estimates["champion", None, "ips"].value == 0
    assert estimates["champion", None, "ips"].ess == 0


def test_what_does_not_fit_is_refused():
    logged = logs()
    for change, message in (
        ({"propensity": np.zeros(ROWS)}, "propensity has 600 of 600 values"),
        ({"target_propensity": np.zeros((ROWS, 2))}, "target_propensity must have shape"),
        ({"unsupported_mass": np.full((ROWS, 3), np.nan)}, "unsupported_mass has 1800"),
        ({"cluster": np.zeros(ROWS)}, "uint64 keys"),
        ({"reward": np.zeros(ROWS + 1)}, "must have shape"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            empty().update(**{**logged, **change})
    for other in (empty(seed=6), empty(resamples=100), empty(policies=("other", "challenger", "uniform"))):
        with pytest.raises(InvalidInputError, match="cannot merge"):
            empty().merge(other)
    with pytest.raises(InvalidInputError, match="named and distinct"):
        empty(policies=("a", "a"))
    with pytest.raises(InvalidInputError, match="at least 2 resamples"):
        empty(resamples=1)
    with pytest.raises(InvalidInputError, match="confidence"):
        empty().results(1.0)

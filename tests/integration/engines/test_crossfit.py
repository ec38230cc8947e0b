"""Fitting and evaluating over buckets on each engine: what comes of it is equal to the last bit."""

from functools import partial

import pytest
from tests.unit.kernels import taught

from nightslate.core.ope.results import results
from nightslate.engines import LocalEngine, Work
from nightslate.kernels.training import Earned

from .stored import stored

pytestmark = pytest.mark.e2e


def folding(engine, work):
    """As `taught` wants it: what goes over all units."""
    return partial(_fold, engine, work)


def _fold(engine, work, initial, update):
    return engine.fold(initial, update, work)


def work_of(folder, buckets):
    """The world as the tables keep it."""
    tables = taught.tables_of(*taught.world())
    credited = tables["credits"]
    owners = credited.append_column("user_id", tables["impressions"]["user_id"])
    inputs = {
        "impressions": stored(folder / "impressions", tables["impressions"], buckets, taught.DS),
        "credits": stored(folder / "credits", owners, buckets, taught.DS).columns(credited.column_names),
    }
    return Work(inputs, buckets)


def bits(state):
    return {name: array.tobytes() for name, array in state.arrays().items()}


def chain(fold):
    """The bits of all that a night makes of its impressions: counts, examinations, lessons, evaluations."""
    counts = taught.value_counts(fold, ("colour", "arm_id", "slot", "reward"))
    states, how = taught.evaluator(fold)
    cross_fitted, cohorts = taught.evaluated(fold, how, with_a_cohort=True)
    assert len(cohorts.evidence.terms) > 2
    assert [state.n for state in cohorts.estimates] == [180]
    return {
        "counts": {name: dict(found) for name, found in counts.items()},
        "examination": [one.probabilities.tobytes() for one in how.crossfit.examination],
        "states": {name: list(map(bits, of_folds)) for name, of_folds in states.items()},
        "cross-fitted": bits(cross_fitted),
        "progressive": list(map(bits, cohorts.estimates)),
        "evidence": bits(cohorts.evidence),
        "figures": taught.figures(results(cross_fitted)),
    }


@pytest.mark.parametrize("buckets", [1, 3])
def test_a_night_on_any_engine_is_that_of_one_process_to_the_last_bit(engine, tmp_path, buckets):
    work = work_of(tmp_path, buckets)
    found = chain(folding(engine, work))
    assert found == chain(folding(LocalEngine(processes=1), work))
    assert found == chain(taught.folding(*taught.world(), buckets)), "no engine at all"


def test_a_rerun_is_equal_to_the_last_bit(engine, tmp_path):
    fold = folding(engine, work_of(tmp_path, 2))
    assert chain(fold) == chain(fold)


def test_rewards_are_looked_at_in_all_buckets(engine, tmp_path):
    found = engine.fold(
        {"earned": Earned.initial()},
        lambda tables: [("earned", Earned.of(taught.MATURED.rows(tables)))],
        work_of(tmp_path, buckets=100),
    )
    assert found["earned"].range == (0.0, 2.0)

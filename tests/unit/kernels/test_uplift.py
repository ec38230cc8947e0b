"""The uplift of learners over units of users, against its definition row by row."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.kernels import taught
from tests.unit.kernels.taught import ARMS, DS, ENCODER, FOLDS, LEARNERS, MATURED, PLAIN, PROGRAM

from nightslate.core.policies import Uniform
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.uplift import Grid
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.progressive import Cohort, Cohorts
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import Lessons
from nightslate.kernels.uplift import Uplift

COSTS = {"b": 0.5, "c": 2.0}
DEAR, FLOOR, NOTHING = replace(MATURED, costs=COSTS), 0.1, "a"


@pytest.fixture(scope="module")
def logs():
    return taught.restricted_world()


@pytest.fixture(scope="module")
def fits(logs):
    fold = taught.folding(*logs)
    lessons = Lessons(DEAR, LEARNERS, ENCODER, ARMS, FOLDS)
    states = lessons.states(fold(lessons.initial(), lambda tables: lessons.update(DEAR.rows(tables))))
    return {
        name: [LEARNERS[name].fit(state, PLAIN, 7) for state in of_folds] for name, of_folds in states.items()
    }


def uplift(fits, baseline=NOTHING):
    models = {name: ScoredBy(name, "0" * 64, ARMS, ENCODER, fits[name][0]) for name in LEARNERS}
    even = Uniform().fit(Uniform().initial(3, 1), PLAIN, 0)
    models["even"] = ScoredBy("even", "0" * 64, ARMS, ENCODER, even)
    how = Evaluator(ARMS, np.ones(3, np.bool_), ENCODER, FLOOR, ("dr",), 1, CrossFit({}, fits["linear"]))
    cohorts = Cohorts(tuple(models), {DS: Cohort(models, None)})
    return Uplift(cohorts, how, baseline, COSTS, PROGRAM)


def found(logs, how, buckets=1):
    """Groups by all priorities, and the sums by them."""
    fold = taught.folding(*logs, buckets=buckets)
    priorities = fold(how.no_priorities(), lambda tables: how.priorities(DEAR.rows(tables), 1))
    grids = {key: Grid.of_quantiles(each.values) for key, each in priorities.items()}
    states = fold(how.initial(grids), lambda tables: how.update(DEAR.rows(tables), grids))
    return priorities, how.found(states)


def by_definition(logs, fits, learner):
    """(predicted gain, effect before costs, cost) of each impression of the first slot that could have shown
    help or nothing."""
    impressions, credit = logs
    rows = []
    for row in impressions:
        eligible = row["eligible_arms"] or list(ARMS)
        helps = [arm for arm in eligible if arm != NOTHING]
        if row["slot"] != 1 or NOTHING not in eligible or not helps:
            continue
        context = ENCODER(DEAR.rows(taught.tables_of([row], credit)))
        key = np.array([int(row["user_id"][:16], 16)], dtype=np.uint64)
        model, judge = fits[learner][0], fits["linear"][folds_of(key, PROGRAM, FOLDS)[0]]
        expects, mu = (
            dict(zip(ARMS, each.expected_rewards(context)[0], strict=True)) for each in (model, judge)
        )
        weight = dict(zip(ARMS, mix_floor(model.weights(context), FLOOR)[0].astype(float), strict=True))
        share = {arm: weight[arm] / sum(weight[each] for each in helps) for arm in helps}
        cost = sum(share[arm] * COSTS[arm] for arm in helps)
        gain = sum(share[arm] * expects[arm] for arm in helps) - expects[NOTHING]
        earned = credit[row["impression_id"]] - COSTS.get(row["arm_id"], 0.0)
        score = sum(share[arm] * mu[arm] for arm in helps) - mu[NOTHING]
        if row["arm_id"] == NOTHING:
            score -= (earned - mu[NOTHING]) / row["propensity"]
        elif row["arm_id"] in mu:
            score += share.get(row["arm_id"], 0.0) / row["propensity"] * (earned - mu[row["arm_id"]])
        rows.append((gain, score + cost, cost))
    return np.array(rows)


def test_each_unit_is_what_the_definition_says(logs, fits):
    how = uplift(fits)
    priorities, sums = found(logs, how)
    assert list(how.days_of) == ["linear", "popularity"]  # who predicts nothing is not judged
    for learner, (by_gain, by_cost) in sums.items():
        rows = by_definition(logs, fits, learner)
        assert len(rows) > 20
        gain, ratio = (
            priorities[f"uplift of {learner} by {ranking}", 0].values for ranking in ("gain", "gain by cost")
        )
        np.testing.assert_allclose(np.sort(gain), np.sort(rows[:, 0]))
        np.testing.assert_allclose(np.sort(ratio), np.sort((rows[:, 0] + rows[:, 2]) / rows[:, 2]))
        for state, rank in ((by_gain, rows[:, 0]), (by_cost, (rows[:, 0] + rows[:, 2]) / rows[:, 2])):
            place = Grid.of_quantiles(rank).places(rank)
            for of_group, values in ((state.effect, rows[:, 1]), (state.cost, rows[:, 2])):
                np.testing.assert_allclose(
                    of_group.sum(axis=0), np.bincount(place, values, state.units.shape[1])
                )


def test_what_units_say_does_not_depend_on_their_buckets(logs, fits):
    (_, one), (_, other) = (found(logs, uplift(fits), buckets) for buckets in (1, 4))
    for learner, states in one.items():
        for mine, theirs in zip(states, other[learner], strict=True):
            for name, array in mine.arrays().items():
                np.testing.assert_allclose(theirs.arrays()[name], array, atol=1e-12)


def test_of_a_sample_all_units_of_some_users_are_ranked(logs, fits):
    how, fold = uplift(fits), taught.folding(*logs)
    sampled = fold(how.no_priorities(), lambda tables: how.priorities(DEAR.rows(tables), 3))
    everyone = fold(how.no_priorities(), lambda tables: how.priorities(DEAR.rows(tables), 1))
    for key, some in sampled.items():
        assert 0 < some.values.size < everyone[key].values.size
        assert set(some.values) <= set(everyone[key].values)


def test_an_arm_that_no_model_knows_judges_nobody(logs, fits):
    priorities, sums = found(logs, uplift(fits, baseline="nothing"))
    assert not priorities
    assert not sums

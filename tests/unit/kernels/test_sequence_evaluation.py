"""Cross-fitted evaluation of trajectories, against what is known by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.evidence import Stakes
from nightslate.core.fitted_q import FittedQ
from nightslate.core.ope.results import results
from nightslate.core.policies import Arms, Uniform
from nightslate.core.policies.popularity import PopularityPolicy
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.epsilon_sweeps import EPSILONS
from nightslate.kernels.evidence import Pair
from nightslate.kernels.folds import of_others
from nightslate.kernels.progressive import Cohort, Cohorts
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.trajectories import Trajectories
from nightslate.kernels.trajectory_evaluation import (
    SequenceEvaluator,
    SequenceFitter,
    SequenceSetup,
    SequenceSweep,
)
from nightslate.kernels.transitions import transitions

ARMS = ("a", "b")
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def history(users, seed=0, arms=ARMS):
    """Two decisions a user: b after a earns 1, all else nothing. `before`: whether a came before."""
    draws = np.random.default_rng(seed).integers(0, len(arms), (users, 2))
    first = [arms[place] for place in draws[:, 0]]
    second = [arms[place] for place in draws[:, 1]]
    rows = []
    for user, (one, two) in enumerate(zip(first, second, strict=True)):
        for step, (arm, before) in enumerate([(one, 0.0), (two, float(one == "a"))]):
            rows.append(
                {
                    "impression_id": f"{user}-{step}",
                    "user_id": f"{user * 2654435761 % 2**32:08x}" * 4,
                    "occurred_at": MONDAY + timedelta(hours=step),
                    "variant": None,
                    "policy": "fitted_q" if user % 4 == 0 else "uniform" if step else None,
                    "arm_id": arm,
                    "propensity": 1 / len(arms),
                    "eligible_arms": None,
                    "before": before,
                    "second": float(step),
                }
            )
    schema = pa.schema(
        [
            ("impression_id", pa.string()),
            ("user_id", pa.string()),
            ("occurred_at", pa.timestamp("us", "UTC")),
            ("variant", pa.string()),
            ("policy", pa.string()),
            ("arm_id", pa.string()),
            ("propensity", pa.float64()),
            ("eligible_arms", pa.list_(pa.string())),
            ("before", pa.float64()),
            ("second", pa.float64()),
        ]
    )
    earned = [f"{user}-1" for user in range(users) if (first[user], second[user]) == ("a", "b")]
    credited = pa.table({"impression_id": pa.array(earned, pa.string()), "credit": [1.0] * len(earned)})
    how = Trajectories(timedelta(days=1), timedelta(days=1))
    return how.ended_on(date(2026, 11, 17), pa.Table.from_pylist(rows, schema), credited)


FITTED_BY = {
    "described": Arms.plain([1, 2]),
    "learners": {
        "fitted_q": FittedQ("extra_trees_regressor", {"n_estimators": 5}, iterations=3),
        "uniform": Uniform(),
    },
    "seeds": {"fitted_q": 1, "uniform": 2},
    "floor": 1e-6,
    "judge": FittedQ("extra_trees_regressor", {"n_estimators": 5}, iterations=3),
    "discount": 1.0,
}
WEIGHED_BY = {
    "program": "shop",
    "arms": ARMS,
    "encoder": Encoder(("before", "second"), (None, None)),
    "estimators": ("pdis", "traj_dr", "fqe"),
    "judged_by": "traj_dr",
    "cohorts": Cohorts(("fitted_q", "uniform"), {}),
}
FOLDS = 2


def evaluation(rows, parts=1, **changed):
    """What is found of rows, whose users come in so many parts."""
    fitter = SequenceFitter(**{**FITTED_BY, **{k: v for k, v in changed.items() if k in FITTED_BY}})
    settings = {**WEIGHED_BY, **{k: v for k, v in changed.items() if k in WEIGHED_BY}}
    fold_of = folds_of(user_keys(rows), "shop", FOLDS)
    others = (rows.filter(pa.array(of_others(fold_of, fold, FOLDS))) for fold in range(FOLDS))
    setup = SequenceSetup(
        folds=FOLDS,
        discount=fitter.discount,
        steps=2,
        logged_arms=frozenset(rows["arm_id"].to_pylist()),
        **{k: v for k, v in settings.items() if k not in ("estimators", "cohorts")},
    )
    fits = [fitter(transitions(each, setup.encoder, setup.arms)) for each in others]
    how = SequenceEvaluator(setup, fits, fitter.floor, settings["estimators"], settings["cohorts"])
    return how.found(gone_through(how, rows, parts))


def gone_through(how, rows, parts=1):
    """The states of rows whose users come in so many parts."""
    states, part_of = how.initial(), user_keys(rows) % parts
    for part in range(parts):
        for key, state in how.update(rows.filter(pa.array(part_of == part))):
            states[key] = states[key].merge(state)
    return states


def values(state):
    return {(e.policy, e.estimator): e for e in results(state) if e.reference is None}


ROWS = history(400)


@pytest.fixture(scope="module")
def found():
    return evaluation(ROWS)


def test_a_model_that_is_right_makes_the_estimates_exact(found):
    found = values(found.state)
    assert found["fitted_q", "traj_dr"].value == pytest.approx(1.0, abs=1e-4)
    assert found["uniform", "traj_dr"].value == pytest.approx(0.25, abs=1e-4)
    assert found["uniform", "fqe"].value == pytest.approx(0.25, abs=1e-4)
    assert found["fitted_q", "pdis"].lower < 1.0 < found["fitted_q", "pdis"].upper


def test_what_was_logged_is_worth_what_came_by_every_estimator(found):
    found = values(found.state)
    came = np.sum(ROWS["reward"].to_numpy()) / 400
    for estimator in ("pdis", "traj_dr", "fqe"):
        assert found["logged", estimator].value == pytest.approx(came, rel=1e-12)
    assert found["logged", "pdis"].n == found["logged", "pdis"].clusters == 400


def test_a_discount_makes_the_second_decision_worth_less():
    learners = {
        "fitted_q": FittedQ("extra_trees_regressor", {"n_estimators": 5, "min_samples_leaf": 1}, discount=0.5)
    }
    found = values(evaluation(ROWS, learners=learners, discount=0.5, seeds={"fitted_q": 1}).state)
    assert found["fitted_q", "traj_dr"].value == pytest.approx(0.5, abs=1e-4)
    assert found["logged", "fqe"].value == pytest.approx(np.sum(ROWS["reward"].to_numpy()) / 800, rel=1e-12)


def test_the_sweep_goes_from_the_best_arm_to_nearly_any(found):
    """At epsilon the first a and the second b are each played with 1 - epsilon. The model expects what
    follows a greedy choice, which is right for an epsilon of 0."""
    found = values(found.sweeps["fitted_q"])
    assert found["0.0", "traj_dr"].value == pytest.approx(1.0, abs=1e-12)
    for epsilon in EPSILONS:
        assert found[str(epsilon), "traj_dr"].value == pytest.approx((1 - epsilon) ** 2, abs=0.03)


def test_a_sweep_by_itself_is_that_of_the_evaluation(found):
    """Over the epsilons that it is told, in whatever parts users come."""
    fold_of = folds_of(user_keys(ROWS), "shop", FOLDS)
    others = (ROWS.filter(pa.array(of_others(fold_of, fold, FOLDS))) for fold in range(FOLDS))
    learner, weighed_by = FITTED_BY["learners"]["fitted_q"], {**WEIGHED_BY}
    del weighed_by["estimators"], weighed_by["cohorts"]
    setup = SequenceSetup(
        **weighed_by, folds=FOLDS, discount=1.0, steps=2, logged_arms=frozenset(ROWS["arm_id"].to_pylist())
    )
    policies = [
        {"fitted_q": learner.fit(transitions(each, setup.encoder, ARMS), FITTED_BY["described"], 1)}
        for each in others
    ]
    same = SequenceSweep(setup, policies)
    for parts in (1, 3):
        swept = values(same.found(gone_through(same, ROWS, parts))["fitted_q"])
        assert swept.keys() == values(found.sweeps["fitted_q"]).keys()
        for key, estimate in values(found.sweeps["fitted_q"]).items():
            assert swept[key].value == pytest.approx(estimate.value, rel=1e-12)
    told = SequenceSweep(replace(setup, epsilons={"fitted_q": (0.0, 0.125)}), policies)
    swept = values(told.found(gone_through(told, ROWS))["fitted_q"])
    assert [policy for policy, _ in swept] == ["0.0", "0.125"]
    assert swept["0.125", "traj_dr"].value == pytest.approx(0.875**2, abs=0.03)


def test_the_effective_sample_shrinks_with_every_step(found):
    by_step = found.ess_by_step
    np.testing.assert_allclose(by_step["logged"], [400, 400])
    assert 400 > by_step["fitted_q"][0] > by_step["fitted_q"][1] > 50


def test_nothing_depends_on_the_order_of_rows(found):
    shuffled = ROWS.take(np.random.default_rng(1).permutation(ROWS.num_rows))
    for one, other in zip(results(found.state), results(evaluation(shuffled).state), strict=True):
        assert other.value == pytest.approx(one.value, rel=1e-12, abs=1e-15)


def test_nothing_depends_on_how_users_are_split(found):
    split = evaluation(ROWS, parts=3)
    for one, other in zip(results(found.state), results(split.state), strict=True):
        assert other.value == pytest.approx(one.value, rel=1e-12, abs=1e-15)
        assert (other.n, other.clusters) == (one.n, one.clusters)
    for name, ess in found.ess_by_step.items():
        np.testing.assert_allclose(split.ess_by_step[name], ess)


def test_an_arm_that_was_never_shown_counts_as_unsupported():
    settings = {
        "arms": (*ARMS, "new"),
        "described": Arms.plain([1, 2, 3]),
        "learners": {
            "fitted_q": FittedQ("extra_trees_regressor", {"n_estimators": 5}, iterations=3),
            "uniform": Uniform(),
        },
    }
    found = values(evaluation(ROWS, **settings).state)
    assert found["uniform", "pdis"].unsupported_share == pytest.approx(1 - (2 / 3) ** 2)


def test_no_trajectories_have_no_estimates():
    found = evaluation(ROWS.slice(0, 0))
    assert all(estimate.value is None for estimate in results(found.state))
    assert not any(np.any(ess) for ess in found.ess_by_step.values())


def test_what_learners_are_fitted_with_is_not_what_they_are_judged_by():
    """A forest of one leaf tells nothing apart; the other one knows what the uniform policy is worth."""
    blunt = FittedQ("extra_trees_regressor", {"min_samples_leaf": 10**6}, iterations=3)
    learners = {"fitted_q": blunt, "uniform": Uniform()}
    judged = values(evaluation(ROWS, learners=learners).state)["uniform", "fqe"]
    by_itself = values(evaluation(ROWS, learners=learners, judge=blunt).state)["uniform", "fqe"]
    assert judged.value == pytest.approx(0.25, abs=1e-4)
    assert by_itself.value != pytest.approx(0.25, abs=0.02)
    assert judged.stderr is judged.lower is judged.upper is None


def popular(expected):
    """A model of before the day, which shows arms by what it expects; it knows another order of arms."""
    return ScoredBy("model", "0" * 64, ("b", "a"), Encoder((), ()), PopularityPolicy(np.array(expected)))


def test_trajectories_are_weighed_by_the_models_of_before_the_day_on_which_they_began():
    models = {"fitted_q": popular([0.0, 1.0]), "uniform": popular([1.0, 1.0])}
    stakes = Stakes(0.0, 1.0)
    cohorts = Cohorts(("fitted_q", "uniform"), {MONDAY.date(): Cohort(models, stakes)})
    found = evaluation(ROWS, cohorts=cohorts).progressive
    weights = models["fitted_q"].weights(ROWS.slice(0, 1), 1e-6)[0].astype(float)
    chance = {"b": weights[0] / weights.sum(), "a": weights[1] / weights.sum()}
    rows = ROWS.to_pylist()
    weight, earned = {}, {}
    for row in rows:
        name = row["trajectory_id"]
        weight[name] = weight.get(name, 1.0) * chance[row["arm_id"]] / 0.5
        earned[name] = earned.get(name, 0.0) + row["reward"]
    by_hand = np.mean([weight[name] * earned[name] for name in weight])
    assert values(found.estimates[0])["fitted_q", "pdis"].value == pytest.approx(by_hand, rel=1e-9)
    pair = found.evidence.terms[Pair(MONDAY.date(), "difference", "fitted_q", "uniform")]
    itself = {row["trajectory_id"] for row in rows if row["policy"] == "fitted_q"}
    assert 90 < len(itself) < 110
    won = np.mean([(1.0 if name in itself else weight[name]) * earned[name] for name in weight])
    assert pair.users == 400
    assert pair.total / pair.units == pytest.approx(won - np.mean(list(earned.values())), rel=1e-6)
    assert found.evidence.terms[Pair(MONDAY.date(), "earned", "fitted_q", None)].units == len(itself)
    assert Pair(MONDAY.date(), "earned", "uniform", None) not in found.evidence.terms


def test_a_day_without_models_says_nothing():
    found = evaluation(ROWS).progressive
    assert [state.n for state in found.estimates] == [0]
    assert not found.evidence.terms

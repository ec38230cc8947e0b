"""Fitting and evaluating by fold: nobody is judged by a policy that has seen their rewards."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.ope.results import results
from nightslate.core.policies import LinearThompson, LinearUCB, LogisticThompson, Popularity
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.examination import Examination
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.training import Earned, Lessons, encoder_for, winsorised
from nightslate.programs.logs import Feature

from .taught import (
    ARMS,
    ENCODER,
    FOLDS,
    IMPRESSIONS,
    LEARNERS,
    MATURED,
    PLAIN,
    evaluated,
    evaluator,
    examined,
    figures,
    fold_states,
    folding,
    tables_of,
    user,
    value_counts,
    world,
)


@pytest.fixture(scope="module")
def before():
    fold = folding(*world())
    return (fold, *evaluator(fold))


def test_the_rewards_of_a_user_have_no_say_in_the_weights_of_its_rows(before):
    impressions, credit = world()
    _, _, fitted = before
    mine = user(1)
    (fold,) = set(folds_of(user_keys(pa.table({"user_id": [mine]})), "shop", FOLDS))
    dreamt = {
        row["impression_id"]: 1000.0 if row["user_id"] == mine else credit[row["impression_id"]]
        for row in impressions
    }
    _, refitted = evaluator(folding(impressions, dreamt))
    for other, pair in enumerate(
        zip(fitted.crossfit.examination, refitted.crossfit.examination, strict=True)
    ):
        found = [examination.probabilities for examination in pair]
        assert (found[0] == found[1]).all() == (other == fold)
    contexts = ENCODER(pa.table({"colour": ["blue", "red", None]}))
    for name in LEARNERS:
        for other in range(FOLDS):
            weights = [f.crossfit.policies[name][other].weights(contexts) for f in (fitted, refitted)]
            assert (weights[0] == weights[1]).all() == (other == fold)
    rows = pa.Table.from_pylist([row for row in impressions if row["user_id"] == mine], IMPRESSIONS)
    own = rows.append_column("reward", pa.array([1.0] * rows.num_rows))
    judged = [results(f.weigh(f.initial("shop"), own, "shop")) for f in (fitted, refitted)]
    assert figures(judged[0]) == figures(judged[1])


def by_hand(impressions, credit, learner, fold, examination=None):
    """The state of what users of other folds teach, in one update."""
    there = [row for row in impressions if row["arm_id"] in ARMS]
    rows = pa.Table.from_pylist(there, IMPRESSIONS)
    mine = folds_of(user_keys(rows), "shop", FOLDS) != fold
    places = np.array([ARMS.index(row["arm_id"]) for row in there])[mine]
    rewards = np.array([credit[row["impression_id"]] for row in there])[mine]
    e = np.ones(mine.sum())
    if examination is not None:
        cells = [(0 if row["surface"] else 1, row["slot"] - 1) for row in there]
        e = np.array([examination.probabilities[cell] for cell in cells])[mine]
    state = learner.initial(len(ARMS), ENCODER.width)
    return state.update(ENCODER(rows)[mine], places, rewards / e, e)


def assert_equal(state, other):
    for field, array in other.arrays().items():
        np.testing.assert_allclose(state.arrays()[field], array, rtol=1e-12)


def test_a_fold_is_taught_by_the_users_of_others_and_about_arms_that_are_there(before):
    fold, with_slots, fitted = before
    without_slots = fold_states(fold)
    for name, learner in LEARNERS.items():
        for place, examination in enumerate(fitted.crossfit.examination):
            assert_equal(without_slots[name][place], by_hand(*world(), learner, place))
            assert_equal(with_slots[name][place], by_hand(*world(), learner, place, examination))
            assert 0 < without_slots[name][place].rows < sum(r["arm_id"] in ARMS for r in world()[0])


def test_examination_is_what_the_randomised_traffic_of_others_says(before):
    impressions, credit = world()
    _, _, fitted = before
    fold_of = folds_of(user_keys(pa.Table.from_pylist(impressions, IMPRESSIONS)), "shop", FOLDS)
    for fold, examination in enumerate(fitted.crossfit.examination):
        for place, surface in enumerate(("app", None)):
            paid = {1: [], 2: []}
            for row, of in zip(impressions, fold_of, strict=True):
                if of != fold and row["surface"] == surface and row["variant"] == "random":
                    paid[row["slot"]].append(credit[row["impression_id"]])
            first, second = (np.array(paid[slot]) for slot in (1, 2))
            # equal propensities: counts are effective ones, and the prior is one impression of 1 / 2
            seen = first.size * second.size / (first.size + second.size)
            expected = min(1.0, (seen * second.mean() / first.mean() + 0.5) / (seen + 1))
            assert examination.probabilities[place] == pytest.approx([1.0, expected], rel=1e-12)


def test_every_learner_finds_the_pay_of_arms_once_they_are_looked_at():
    impressions, _ = world()
    pay, known = {"a": 0.2, "b": 0.4, "c": 0.6, "gone": 1.0}, np.array([[1.0, 0.5], [1.0, 0.1]])
    credit = {
        row["impression_id"]: pay[row["arm_id"]] * known[0 if row["surface"] else 1, row["slot"] - 1]
        for row in impressions
    }
    learners = {
        "popularity": Popularity(prior_strength=1e-9),
        "linear": LinearThompson(ridge=1e-9, draws=16),
        "logistic": LogisticThompson(ridge=1e-9, draws=16),
    }
    examination = Examination(("app", None), known)
    states = fold_states(folding(impressions, credit), learners, 1, examined=(examination,))
    contexts = ENCODER(pa.table({"colour": ["blue", "red", None]}))
    for name, learner in learners.items():
        expected = learner.fit(*states[name], PLAIN, 7).expected_rewards(contexts)
        np.testing.assert_allclose(expected, np.tile([0.2, 0.4, 0.6], (3, 1)), rtol=1e-5)
    weight = sum(known[0 if r["surface"] else 1, r["slot"] - 1] for r in impressions if r["arm_id"] != "gone")
    assert states["popularity"][0].weight.sum() == pytest.approx(weight, rel=1e-12)


def test_a_learner_that_forgets_weighs_rows_by_their_age():
    impressions, credit = world()
    for number, row in enumerate(impressions):
        row["occurred_at"] -= timedelta(days=number % 3)
    learners = {"all": Popularity(), "half": Popularity(forgetting=0.5)}
    states = fold_states(folding(impressions, credit), learners, 1)
    expected = np.zeros((2, len(ARMS)))
    for number, row in enumerate(impressions):
        if row["arm_id"] in ARMS:
            weight = 0.5 ** (number % 3)
            expected[:, ARMS.index(row["arm_id"])] += weight, weight * credit[row["impression_id"]]
    (half,), (whole,) = states["half"], states["all"]
    np.testing.assert_allclose([half.weight, half.reward], expected, rtol=1e-12)
    np.testing.assert_array_equal(whole.weight, whole.count)
    assert half.rows == whole.rows == sum(row["arm_id"] in ARMS for row in impressions)


@pytest.mark.parametrize("buckets", [2, 3, 200])
def test_the_number_of_buckets_has_no_say(before, buckets):
    impressions, credit = world()
    together, states, fitted = before
    several = folding(impressions, credit, buckets)
    again, _ = evaluator(several)
    for name in LEARNERS:
        for one, other in zip(states[name], again[name], strict=True):
            assert_equal(other, one)
    found = [results(evaluated(fold, fitted)[0]) for fold in (together, several)]
    np.testing.assert_allclose(
        np.array(figures(found[1]), dtype=float), np.array(figures(found[0]), dtype=float), rtol=1e-9
    )
    assert found[0][0].n == len(impressions)
    assert found[0][0].clusters == found[1][0].clusters == 45


def test_a_rerun_is_equal_to_the_last_bit(before):
    fold, _, fitted = before
    _, refitted = evaluator(fold)
    found = [results(evaluated(fold, how)[0]) for how in (fitted, refitted)]
    assert figures(found[0]) == figures(found[1])


def test_rows_are_learnt_from_some_at_a_time(before, monkeypatch):
    fold, states, _ = before
    monkeypatch.setattr("nightslate.kernels.training._ROWS_AT_ONCE", 7)
    few_at_a_time = fold_states(fold, examined=examined(fold).for_folds)
    for name in LEARNERS:
        for one, other in zip(states[name], few_at_a_time[name], strict=True):
            assert_equal(other, one)


@pytest.mark.parametrize("buckets", [1, 2, 200])
def test_values_are_counted_over_all_buckets_and_nulls_are_none(buckets):
    impressions, credit = world()
    counts = value_counts(folding(impressions, credit, buckets), ("colour", "arm_id"))
    assert dict(counts["colour"]) == {"blue": 60, "red": 60}
    assert sum(counts["arm_id"].values()) == len(impressions)
    assert encoder_for([Feature(name="colour", type="category")], counts) == ENCODER
    assert encoder_for([Feature(name="colour", type="number")], counts) == Encoder(("colour",), (None,))


def test_numbers_are_counted_too_however_rows_are_split_and_cut_at_where_nearly_all_are():
    impressions, credit = world()
    credit[impressions[5]["impression_id"]] = 10_000.5
    counted = [value_counts(folding(impressions, credit, buckets), ("slot", "reward")) for buckets in (1, 3)]
    assert counted[0] == counted[1]
    assert {float(value): n for value, n in counted[0]["slot"].items()} == {1.0: 90, 2.0: 90}
    assert {float(value) for value in counted[0]["reward"]} == {0.0, 1.0, 2.0, 9984.0}
    encoder = encoder_for([Feature(name="reward", type="number")], counted[0])
    assert winsorised(encoder, counted[0]).high.tolist() == [np.inf, 2.0]


def test_a_learner_may_see_contexts_as_something_else():
    fold = folding(*world())
    twice = fold_states(fold, seen_as={"linear": lambda contexts: 2 * contexts})
    once = fold_states(fold)
    for doubled, plain in zip(twice["linear"], once["linear"], strict=True):
        np.testing.assert_allclose(doubled.gram, 4 * plain.gram)
    for state, plain in zip(twice["popularity"], once["popularity"], strict=True):
        assert_equal(state, plain)


def test_learners_that_learn_the_same_are_taught_once():
    fold = folding(*world())
    same = {"thompson": LinearThompson(draws=8), "ucb": LinearUCB(), "popularity": Popularity(2.0)}
    other = {"forgets": LinearUCB(forgetting=0.9), "doubled": LinearUCB()}
    lessons = Lessons(
        MATURED, {**same, **other}, ENCODER, ARMS, 2, seen_as={"doubled": lambda contexts: 2 * contexts}
    )
    assert {name for name, _ in lessons.initial()} == {"thompson", "popularity", "forgets", "doubled"}
    found = lessons.states(fold(lessons.initial(), lambda tables: lessons.update(MATURED.rows(tables))))
    for name, learner in {**same, **other}.items():
        seen_as = {n: see for n, see in lessons.seen_as.items() if n == name}
        alone = fold_states(fold, {name: learner}, folds=2, seen_as=seen_as)
        for one, together in zip(alone[name], found[name], strict=True):
            assert_equal(together, one)


def test_the_range_of_rewards_is_that_of_impressions_that_count():
    impressions, credit = world()
    impressions[3]["occurred_at"] += timedelta(microseconds=1)
    credit[impressions[3]["impression_id"]] = 50.0
    credit[impressions[5]["impression_id"]] = -7.123456789
    credit[impressions[6]["impression_id"]] = 8.234567891
    tables = tables_of(impressions, credit)
    nobody = {name: table.slice(0, 0) for name, table in tables.items()}
    some, none = Earned.of(MATURED.rows(tables)), Earned.of(MATURED.rows(nobody))
    assert some.merge(none).range == none.merge(some).range == (-7.123456789, 8.234567891)
    assert none.range == Earned.initial().merge(none).range == (None, None)

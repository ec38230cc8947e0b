"""Fitting and evaluating over buckets: nobody is judged by a policy that has seen their rewards."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.core.estimators.results import results
from nightslate.core.policies import Arms, LinearThompson, LogisticThompson, Popularity
from nightslate.frames.buckets import BucketInput
from nightslate.frames.encoding import Encoder
from nightslate.frames.evaluation import CrossFit, Evaluator
from nightslate.frames.examination import Examination, Randomised, fold_examinations
from nightslate.frames.progressive import Cohorts, Progressive, evaluate
from nightslate.frames.samples import Sample, folds_of, user_keys
from nightslate.frames.training import arm_key, encoder_for, fold_states, value_counts, winsorised
from nightslate.programs.logs import Feature
from nightslate.tables import DataFile

DS = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
ARMS = ("a", "b", "c")
PLAIN = Arms.plain(arm_key(arm) for arm in ARMS)
FOLDS = 3
LEARNERS = {"linear": LinearThompson(draws=32, noise_variance=0.1), "popularity": Popularity(5.0)}
ENCODER = Encoder(("colour",), (("blue", "red"),))
IMPRESSIONS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("decision_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("propensity_kind", pa.string()),
        ("eligible_arms", pa.list_(pa.string())),
        ("colour", pa.string()),
        ("surface", pa.string()),
        ("variant", pa.string()),
    ]
)
CREDITS = pa.schema([("impression_id", pa.string()), ("credit", pa.float64())])


def user(number):
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


def world(people=45, each=4):
    """Impressions, and the credit of each by impression."""
    dice = np.random.default_rng(4)
    impressions = [
        {
            "impression_id": f"i{number}-{k}",
            "decision_id": f"i{number}-{k}",
            "user_id": user(number),
            "occurred_at": NOON,
            "slot": int(k % 2 + 1),
            "arm_id": str(dice.choice([*ARMS, "gone"])),
            "propensity": 0.25,
            "propensity_kind": "marginal",
            "colour": ["blue", "red", None][number % 3],
            "surface": ["app", None][number % 2],
            "variant": ["random", "learned", None][(number + k) % 3],
        }
        for number in range(people)
        for k in range(each)
    ]
    credit = {row["impression_id"]: float(dice.integers(0, 3)) for row in impressions}
    return impressions, credit


def cross_fitted(spark, logs, how):
    """The evaluation without any cohort."""
    return evaluate(spark, logs, Progressive(Cohorts(tuple(LEARNERS), {}), how, frozenset()))[0]


def sample(folder, impressions, credit, buckets=1):
    """The world as the tables keep it."""
    folder.mkdir()
    files = {"impressions": [], "credits": []}
    for bucket in range(buckets):
        mine = [row for row in impressions if int(row["user_id"][:8], 16) % buckets == bucket]
        theirs = [{"impression_id": r["impression_id"], "credit": credit[r["impression_id"]]} for r in mine]
        for name, rows, schema in (("impressions", mine, IMPRESSIONS), ("credits", theirs, CREDITS)):
            path = folder / f"{name}-{bucket}.parquet"
            pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema), path)
            files[name].append(DataFile(path, DS, bucket, len(rows), path.stat().st_size))
    inputs = {
        "impressions": BucketInput(files["impressions"], IMPRESSIONS),
        "credits": BucketInput(files["credits"], CREDITS),
    }
    return Sample("shop", DS, inputs, NOON, buckets)


def examined(spark, given, folds=FOLDS):
    randomised = Randomised("random", by_propensity=True)
    return fold_examinations(spark, given, randomised, ("app", None), 2, folds, prior_strength=1.0)


def evaluator(spark, given):
    examination = examined(spark, given).for_folds
    states = fold_states(spark, given, LEARNERS, ENCODER, ARMS, FOLDS, examination)
    fitted = {
        name: [learner.fit(state, PLAIN, 7) for state in states[name]] for name, learner in LEARNERS.items()
    }
    crossfit = CrossFit(fitted, fitted["linear"], examination)
    return states, Evaluator(ARMS, np.ones(3, dtype=bool), ENCODER, 0.1, ("ips", "snips", "dr"), 1, crossfit)


def figures(estimates):
    return [[e.value, e.stderr, e.lower, e.upper, e.ess, e.mean_weight] for e in estimates]


@pytest.fixture(scope="module")
def before(spark, tmp_path_factory):
    impressions, credit = world()
    given = sample(tmp_path_factory.mktemp("before") / "world", impressions, credit)
    return (given, *evaluator(spark, given))


def test_the_rewards_of_a_user_have_no_say_in_the_weights_of_its_rows(spark, tmp_path, before):
    impressions, credit = world()
    _, _, fitted = before
    mine = user(1)
    (fold,) = set(folds_of(user_keys(pa.table({"user_id": [mine]})), "shop", FOLDS))
    dreamt = {
        row["impression_id"]: 1000.0 if row["user_id"] == mine else credit[row["impression_id"]]
        for row in impressions
    }
    _, refitted = evaluator(spark, sample(tmp_path / "after", impressions, dreamt))
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
    judged = [results(f.update(f.initial("shop"), own, "shop")) for f in (fitted, refitted)]
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


def test_a_fold_is_taught_by_the_users_of_others_and_about_arms_that_are_there(spark, before):
    given, with_slots, fitted = before
    without_slots = fold_states(spark, given, LEARNERS, ENCODER, ARMS, FOLDS)
    for name, learner in LEARNERS.items():
        for fold, examination in enumerate(fitted.crossfit.examination):
            assert_equal(without_slots[name][fold], by_hand(*world(), learner, fold))
            assert_equal(with_slots[name][fold], by_hand(*world(), learner, fold, examination))
            assert 0 < without_slots[name][fold].rows < sum(r["arm_id"] in ARMS for r in world()[0])


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


def test_every_learner_finds_the_pay_of_arms_once_they_are_looked_at(spark, tmp_path):
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
    given, examination = sample(tmp_path / "world", impressions, credit), Examination(("app", None), known)
    states = fold_states(spark, given, learners, ENCODER, ARMS, 1, (examination,))
    contexts = ENCODER(pa.table({"colour": ["blue", "red", None]}))
    for name, learner in learners.items():
        expected = learner.fit(*states[name], PLAIN, 7).expected_rewards(contexts)
        np.testing.assert_allclose(expected, np.tile([0.2, 0.4, 0.6], (3, 1)), rtol=1e-5)
    weight = sum(known[0 if r["surface"] else 1, r["slot"] - 1] for r in impressions if r["arm_id"] != "gone")
    assert states["popularity"][0].weight.sum() == pytest.approx(weight, rel=1e-12)


def test_a_learner_that_forgets_weighs_rows_by_their_age(spark, tmp_path):
    impressions, credit = world()
    for number, row in enumerate(impressions):
        row["occurred_at"] -= timedelta(days=number % 3)
    learners = {"all": Popularity(), "half": Popularity(forgetting=0.5)}
    states = fold_states(spark, sample(tmp_path / "world", impressions, credit), learners, ENCODER, ARMS, 1)
    expected = np.zeros((2, len(ARMS)))
    for number, row in enumerate(impressions):
        if row["arm_id"] in ARMS:
            weight = 0.5 ** (number % 3)
            expected[:, ARMS.index(row["arm_id"])] += weight, weight * credit[row["impression_id"]]
    (half,), (whole,) = states["half"], states["all"]
    np.testing.assert_allclose([half.weight, half.reward], expected, rtol=1e-12)
    np.testing.assert_array_equal(whole.weight, whole.count)
    assert half.rows == whole.rows == sum(row["arm_id"] in ARMS for row in impressions)


def test_the_number_of_buckets_has_no_say(spark, tmp_path, before):
    impressions, credit = world()
    given, states, fitted = before
    several = sample(tmp_path / "several", impressions, credit, buckets=3)
    again, _ = evaluator(spark, several)
    for name in LEARNERS:
        for one, other in zip(states[name], again[name], strict=True):
            assert_equal(other, one)
    found = [results(cross_fitted(spark, *pair)) for pair in ((given, fitted), (several, fitted))]
    np.testing.assert_allclose(
        np.array(figures(found[1]), dtype=float), np.array(figures(found[0]), dtype=float), rtol=1e-9
    )
    assert found[0][0].n == len(impressions)
    assert found[0][0].clusters == found[1][0].clusters == 45


def test_a_rerun_is_equal_to_the_last_bit(spark, before):
    given, _, fitted = before
    _, refitted = evaluator(spark, given)
    assert figures(results(cross_fitted(spark, given, fitted))) == figures(
        results(cross_fitted(spark, given, refitted))
    )


def test_values_are_counted_over_all_buckets_and_nulls_are_none(spark, tmp_path):
    impressions, credit = world()
    given = sample(tmp_path / "world", impressions, credit, buckets=2)
    counts = value_counts(spark, given, ("colour", "arm_id"))
    assert dict(counts["colour"]) == {"blue": 60, "red": 60}
    assert sum(counts["arm_id"].values()) == len(impressions)
    assert encoder_for([Feature(name="colour", type="category")], counts) == ENCODER
    assert encoder_for([Feature(name="colour", type="number")], counts) == Encoder(("colour",), (None,))


def test_numbers_are_counted_too_however_rows_are_split_and_cut_at_where_nearly_all_are(spark, tmp_path):
    impressions, credit = world()
    credit[impressions[5]["impression_id"]] = 10_000.5
    counted = [
        value_counts(spark, sample(tmp_path / str(buckets), impressions, credit, buckets), ("slot", "reward"))
        for buckets in (1, 3)
    ]
    assert counted[0] == counted[1]
    assert {float(value): n for value, n in counted[0]["slot"].items()} == {1.0: 90, 2.0: 90}
    assert {float(value) for value in counted[0]["reward"]} == {0.0, 1.0, 2.0, 9984.0}
    encoder = encoder_for([Feature(name="reward", type="number")], counted[0])
    assert winsorised(encoder, counted[0]).high.tolist() == [np.inf, 2.0]


def test_a_learner_may_see_contexts_as_something_else(spark, tmp_path):
    given = sample(tmp_path / "world", *world())
    twice = fold_states(spark, given, LEARNERS, ENCODER, ARMS, FOLDS, seen_as={"linear": lambda x: 2 * x})
    once = fold_states(spark, given, LEARNERS, ENCODER, ARMS, FOLDS)
    for doubled, plain in zip(twice["linear"], once["linear"], strict=True):
        np.testing.assert_allclose(doubled.gram, 4 * plain.gram)

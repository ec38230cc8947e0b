"""Fitting and evaluating over buckets: nobody is judged by a policy that has seen their rewards."""

import hashlib
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.core.policies import LinearThompson, Popularity
from nightslate.frames.buckets import BucketInput
from nightslate.frames.encoding import Encoder
from nightslate.frames.evaluation import CrossFit, Evaluator, evaluate
from nightslate.frames.samples import folds_of, user_keys
from nightslate.frames.training import Sample, encoder_for, fold_states, value_counts
from nightslate.tables import DataFile

DS = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
ARMS = ("a", "b", "c")
FOLDS = 3
LEARNERS = {"linear": LinearThompson(draws=32, noise_variance=0.1), "popularity": Popularity(5.0)}
ENCODER = Encoder(("colour",), (("blue", "red"),))
IMPRESSIONS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("colour", pa.string()),
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
            "user_id": user(number),
            "occurred_at": NOON,
            "slot": int(k % 2 + 1),
            "arm_id": str(dice.choice([*ARMS, "gone"])),
            "propensity": 0.25,
            "colour": ["blue", "red", None][number % 3],
        }
        for number in range(people)
        for k in range(each)
    ]
    credit = {row["impression_id"]: float(dice.integers(0, 3)) for row in impressions}
    return impressions, credit


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
    return Sample("shop", inputs, NOON, buckets)


def evaluator(spark, given):
    states = fold_states(spark, given, LEARNERS, ENCODER, ARMS, FOLDS)
    fitted = {
        name: [states.policy(name, learner, 7, without_fold=fold) for fold in range(FOLDS)]
        for name, learner in LEARNERS.items()
    }
    crossfit = CrossFit(fitted, fitted["linear"])
    return states, Evaluator(ARMS, np.ones(3, dtype=bool), ENCODER, 0.1, 100, crossfit)


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
    contexts = ENCODER(pa.table({"colour": ["blue", "red", None]}))
    for name in LEARNERS:
        for other in range(FOLDS):
            weights = [f.crossfit.policies[name][other].weights(contexts) for f in (fitted, refitted)]
            assert (weights[0] == weights[1]).all() == (other == fold)
    rows = pa.Table.from_pylist([row for row in impressions if row["user_id"] == mine], IMPRESSIONS)
    own = rows.append_column("reward", pa.array([1.0] * rows.num_rows))
    judged = [f.update(f.initial("shop"), own, "shop").results() for f in (fitted, refitted)]
    assert figures(judged[0]) == figures(judged[1])


def test_a_fold_holds_the_rows_of_its_users_and_only_arms_that_are_there(before):
    impressions, _ = world()
    _, states, _ = before
    there = [row for row in impressions if row["arm_id"] in ARMS]
    fold_of = folds_of(user_keys(pa.Table.from_pylist(there, IMPRESSIONS)), "shop", FOLDS)
    for name in LEARNERS:
        assert [state.rows for state in states.states[name]] == np.bincount(fold_of).tolist()
        assert states.rows(name) == len(there)


def test_the_number_of_buckets_has_no_say(spark, tmp_path, before):
    impressions, credit = world()
    given, states, fitted = before
    several = sample(tmp_path / "several", impressions, credit, buckets=3)
    again, _ = evaluator(spark, several)
    for name in LEARNERS:
        for one, other in zip(states.states[name], again.states[name], strict=True):
            for field, array in one.arrays().items():
                np.testing.assert_allclose(other.arrays()[field], array, rtol=1e-12)
    results = [evaluate(spark, *pair).results() for pair in ((given, fitted), (several, fitted))]
    np.testing.assert_allclose(
        np.array(figures(results[1]), dtype=float), np.array(figures(results[0]), dtype=float), rtol=1e-9
    )
    assert results[0][0].n == len(impressions)
    assert results[0][0].clusters == results[1][0].clusters == 45


def test_a_rerun_is_equal_to_the_last_bit(spark, before):
    given, _, fitted = before
    _, refitted = evaluator(spark, given)
    assert figures(evaluate(spark, given, fitted).results()) == figures(
        evaluate(spark, given, refitted).results()
    )


def test_values_are_counted_over_all_buckets_and_nulls_are_none(spark, tmp_path):
    impressions, credit = world()
    given = sample(tmp_path / "world", impressions, credit, buckets=2)
    counts = value_counts(spark, given, ("colour", "arm_id"))
    assert dict(counts["colour"]) == {"blue": 60, "red": 60}
    assert sum(counts["arm_id"].values()) == len(impressions)
    assert encoder_for({"colour": "category"}, counts) == ENCODER
    assert encoder_for({"colour": "number"}, counts) == Encoder(("colour",), (None,))

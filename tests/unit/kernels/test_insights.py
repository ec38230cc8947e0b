"""What insights sum up of impressions and users, against its definition row by row."""

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels import taught
from tests.unit.kernels.taught import ARMS, DS, ENCODER, FOLDS, LEARNERS, MATURED, PLAIN, PROGRAM

from nightslate.core.policies import Uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import ByArm, Encoder, Intervals
from nightslate.kernels.insights import Showings, lowest_users, of_some_users, said_of, thought_best
from nightslate.kernels.place_names import categories, crossed_name, place_names
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import Lessons

LINEAR = {"linear": LEARNERS["linear"]}


@pytest.fixture(scope="module")
def logs():
    return taught.restricted_world()


@pytest.fixture(scope="module")
def lessons():
    return Lessons(MATURED, LINEAR, ENCODER, ARMS, FOLDS)


@pytest.fixture(scope="module")
def model(logs, lessons):
    states = taught.folding(*logs)(lessons.initial(), lambda tables: lessons.update(MATURED.rows(tables)))
    policy = LINEAR["linear"].fit(lessons.states(states)["linear"][0], PLAIN, 7)
    return ScoredBy("linear", "0" * 64, ARMS, ENCODER, policy)


def found(logs, how, buckets=1):
    fold = taught.folding(*logs, buckets=buckets)
    return fold(how.initial(), lambda tables: how.update(MATURED.rows(tables)))


@pytest.mark.parametrize("buckets", [1, 3])
def test_showings_are_summed_up_row_by_row(logs, lessons, model, buckets):
    states = found(logs, Showings(PROGRAM, ARMS, {DS: model}, lessons), buckets)
    responses, rows = Showings.responses(states), []
    taught.folding(*logs)({}, lambda tables: rows.extend(MATURED.rows(tables).to_pylist()) or ())
    shown, chosen, judged, explored = (dict.fromkeys(ARMS, 0) for _ in range(4))
    rewards, weighted = dict.fromkeys(ARMS, 0.0), dict.fromkeys(ARMS, 0.0)
    for row in rows:
        arm = row["arm_id"]
        if arm not in ARMS or (row["slot"] > 1 and row["propensity_kind"] != "marginal"):
            continue
        could = [each for each in ARMS if row["eligible_arms"] is None or each in row["eligible_arms"]]
        shown[arm] += 1
        rewards[arm] += row["reward"]
        if len(could) < 2:
            continue
        chosen[arm] += 1
        weighted[arm] += row["reward"] / row["propensity"]
        expected = model.expected_rewards(pa.table({"colour": pa.array([row["colour"]], pa.string())}))[0]
        if arm in could and row["occurred_at"].date() == DS:
            judged[arm] += 1
            explored[arm] += expected[ARMS.index(arm)] < max(expected[ARMS.index(each)] for each in could)
    assert sum(shown.values()) > sum(chosen.values()) > sum(judged.values()) > sum(explored.values()) > 0
    assert responses.shown.sum(axis=1).tolist() == [*shown.values()]
    assert responses.chosen.tolist() == [*chosen.values()]
    assert responses.judged.tolist() == [*judged.values()]
    assert responses.explored.tolist() == [*explored.values()]
    np.testing.assert_allclose(responses.reward.sum(axis=1), [*rewards.values()])
    np.testing.assert_allclose(responses.weighted.sum(axis=1), [*weighted.values()])


def test_a_champion_is_taught_by_everyone_and_judged_by_what_others_teach(logs, lessons):
    alone = Lessons(MATURED, LINEAR, ENCODER, ARMS, 1)
    states = found(logs, Showings(PROGRAM, ARMS, {}, lessons))
    everyone, of_others = Showings.taught(states)
    whole = taught.folding(*logs)(alone.initial(), lambda tables: alone.update(MATURED.rows(tables)))
    (expected,) = whole.values()
    for name, array in expected.arrays().items():
        np.testing.assert_allclose(everyone.arrays()[name], array, atol=1e-9)
    assert sum(state.rows for state in of_others) == (FOLDS - 1) * everyone.rows


def test_who_expects_nothing_judges_nothing(logs):
    even = Uniform().fit(Uniform().initial(3, 1), PLAIN, 0)
    states = found(logs, Showings(PROGRAM, ARMS, {DS: ScoredBy("even", "0" * 64, ARMS, ENCODER, even)}, None))
    assert Showings.responses(states).judged.tolist() == [0, 0, 0]
    assert set(states) == {("responses of arms", 0)}


def test_an_arm_that_could_not_be_shown_is_not_judged(model):
    rows = pa.table(
        {
            "arm_id": ["a", "c", "gone"],
            "colour": ["red"] * 3,
            "eligible_arms": pa.array([["a"], ["a"], None], pa.list_(pa.string())),
        }
    )
    judged, best = thought_best(model, rows)
    assert judged.tolist() == [True, False, False]
    assert best.tolist() == [True, False, False]


def test_users_are_sampled_whole_and_the_lowest_are_the_same_in_any_order():
    users = pa.table({"user_id": [f"{number:032x}"[::-1] for number in range(1, 61)] * 2})
    some = of_some_users(users, PROGRAM, 3)
    assert 0 < some.num_rows < 80
    assert all(some["user_id"].to_pylist().count(user) == 2 for user in some["user_id"].to_pylist())
    once = users.slice(0, 60)
    lowest = lowest_users(once, PROGRAM, 5)
    turned = once.take(pa.array(np.arange(60)[::-1].copy()))
    assert lowest.equals(lowest_users(turned, PROGRAM, 5).combine_chunks())
    halves = pa.concat_tables(
        [lowest_users(half, PROGRAM, 5) for half in (turned.slice(0, 7), turned.slice(7))]
    )
    assert lowest_users(halves, PROGRAM, 5)["user_id"].to_pylist() == lowest["user_id"].to_pylist()
    assert len(set(user_keys(lowest).tolist())) == 5
    assert lowest_users(once, PROGRAM, 0).num_rows == 0


def test_places_have_names_that_a_person_reads():
    encoder = Encoder(
        ("history", "days", "visits", "clicks", "seen"),
        (
            ("lapsed", "new"),
            Intervals((90, 365)),
            None,
            ByArm("topic", ("tax",), 0.0),
            ByArm("t", (), 0, (2,)),
        ),
    )
    assert place_names(encoder) == (
        "",
        *("history = lapsed", "history = new"),
        *("days under 90", "days 90 to 365", "days from 365"),
        "visits",
        *("clicks of tax", "clicks of others"),
        *("seen of others under 2", "seen of others from 2"),
    )
    assert len(place_names(encoder)) == encoder.width
    assert categories(encoder) == [slice(1, 3), slice(3, 6)]
    assert place_names(encoder.of_one_arm())[-3:] == ("clicks", "seen under 2", "seen from 2")
    assert crossed_name("type = news", "history = new") == "type = news for history = new"
    assert crossed_name("type = news", "") == "type = news"
    assert crossed_name("", "history = new") == "history = new"


def test_what_a_user_is_like_in_words():
    user = {"history": "lapsed", "days": 41.0, "age": None, "clicks": [("a", 1.0)]}
    assert [said_of(user, name) for name in user] == [
        "history = lapsed",
        "days = 41",
        "age is missing",
        "clicks",
    ]

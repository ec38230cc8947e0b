"""Each kind of fault that an audit knows, put into slates that are sound otherwise."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from tests.unit.frames.test_scoring import FLOOR, people, scoring, uniform

from nightslate.frames.auditing import faults
from nightslate.frames.scoring import slate_id
from nightslate.frames.steering import Steering

DAY = date(2026, 11, 17)
USERS = people(16)["user_id"].to_pylist()


GROUPS = {"a": "x", "b": "x", "c": "x", "d": "y", "e": None}


def sound(arms="abcde", depth=3, steering=None):
    """Slates as scoring makes them, by user; each number of arms is a batch of its own to the audit."""
    how = scoring({"all": (1.0, uniform(tuple(arms)))}, depth=depth)
    how = replace(how, steering=steering or Steering())
    return pa.Table.from_batches(how.bucket(0, people(16)))


def changed(slate, **columns):
    """A slate with other columns, whose id is made anew: a fault of its own, not a forgery."""
    return {**slate, **columns}


def audit(spark, slates, users=USERS, forge=(), depth=3):
    """Faults as (fault, user or slate's user); `forge` names users whose slate_id is not the hash."""
    rows = pa.Table.from_pylist(slates, sound().schema)
    frame = spark.createDataFrame(rows.to_pylist(), from_arrow_schema(rows.schema)).coalesce(1)
    frame = frame.withColumn("slate_id", slate_id("shop", DAY)).cache()
    owner = {row["slate_id"]: row["user_id"] for row in frame.select("slate_id", "user_id").collect()}
    for user in forge:
        (true_id,) = [slate for slate, of in owner.items() if of == user]
        owner["f" * 64] = user
        frame = frame.replace({true_id: "f" * 64}, subset="slate_id")
    people_of_the_day = spark.createDataFrame([(user,) for user in users], "user_id string")
    found = faults(frame, people_of_the_day, "shop", DAY, FLOOR, depth).collect()
    return sorted((row["fault"], owner.get(row["slate_id"], row["slate_id"])) for row in found)


def test_sound_slates_have_no_fault(spark):
    mixed = [*sound().to_pylist()[:8], *sound("ab", depth=2).to_pylist()[8:]]
    assert audit(spark, mixed) == []
    assert audit(spark, [], users=[]) == []


def test_each_fault_is_found_where_it_is_and_nowhere_else(spark):
    slates = sound().to_pylist()
    weights, ranking = slates[0]["weights"], slates[0]["ranking"]
    below = float(np.float32(FLOOR / 5) * np.float32(0.9))
    slates[1] = changed(slates[1], candidates=["a", "b", "c", "d", "a"], ranking=["b", "c", "d"])
    slates[2] = changed(slates[2], propensities=[p * (1 + 1e-9) for p in slates[2]["propensities"]])
    slates[3] = changed(slates[3], propensities=[float("nan"), *slates[3]["propensities"][1:]])
    slates[4] = changed(slates[4], ranking=["a", "z", "b"])
    slates[5] = changed(slates[5], weights=[below, *weights[1:]], ranking=["b", "c", "d"])
    slates[5]["propensities"] = shares(slates[5])
    slates[6] = changed(slates[6], ranking=[ranking[0], ranking[1], ranking[1]])
    slates[7] = changed(slates[7], weights=[float("nan"), *weights[1:]])
    slates[8] = changed(slates[8], ranking=slates[8]["ranking"][::-1], weights=[1.0, 2.0, 3.0, 4.0, 5.0])
    found = audit(spark, slates, forge=[USERS[9]])
    expected = {
        1: {"a candidate stands twice"},
        2: {"a propensity is not the one its weights give"},
        3: {"a propensity is not the one its weights give"},
        4: {"an arm is ranked that is no candidate"},
        5: {"a weight is under the floor or not a number"},
        6: {"an arm is ranked twice", "a propensity is not the one its weights give"},
        7: {"a weight is under the floor or not a number"},
        8: {"a propensity is not the one its weights give"},
        9: {"slate_id is not the hash of its row"},
    }
    by_user = {user: {fault for fault, of in found if of == user} for user in USERS}
    for number, wanted in expected.items():
        assert wanted <= by_user[USERS[number]]
    for number in (2, 3, 5, 8, 9):  # the others can't but have wrong propensities as well
        assert by_user[USERS[number]] == expected[number]
    assert all(not by_user[USERS[number]] for number in (0, *range(10, 16)))


def test_penalties_of_diversity_are_part_of_what_is_recomputed(spark):
    """Beside slates without any; each tampered row has ranked two arms of one group."""
    slates = [
        *sound().to_pylist()[:4],
        *sound(steering=Steering({"d": 0.1, "e": 0.1}, 0.5, GROUPS)).to_pylist()[4:],
    ]
    assert audit(spark, slates) == []
    alike = [n for n in range(4, 16) if sum(GROUPS[arm] == "x" for arm in slates[n]["ranking"]) > 1]
    penalty, groups, ungrouped, plain = alike[:4]
    slates[penalty] = changed(slates[penalty], penalty=0.25)
    slates[groups] = changed(slates[groups], groups=["x", "y", "z", None, None])
    slates[ungrouped] = changed(slates[ungrouped], groups=None)
    slates[plain] = changed(slates[plain], groups=None, penalty=None)
    assert audit(spark, slates[: penalty + 1], USERS[: penalty + 1]) == [(WRONG, USERS[penalty])]
    found = audit(spark, [slates[groups], slates[plain]], sorted([USERS[groups], USERS[plain]]))
    assert sorted(found) == sorted([(WRONG, USERS[groups]), (WRONG, USERS[plain])])
    unexplained = "a penalty without a group for each candidate, or groups without a penalty"
    assert (unexplained, USERS[ungrouped]) in audit(spark, [slates[ungrouped]], [USERS[ungrouped]])


WRONG = "a propensity is not the one its weights give"


def shares(slate):
    """Propensities by the definition."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    found = []
    for arm in slate["ranking"]:
        found.append(weight[arm] / sum(weight.values()))
        del weight[arm]
    return found


def test_lists_of_the_wrong_length(spark):
    five, four, three, two = (sound(arms, depth=2).to_pylist() for arms in ("abcde", "abcd", "abc", "ab"))
    slates = [
        changed(five[0], weights=five[0]["weights"][:-1]),
        changed(four[1], propensities=four[1]["propensities"][:-1]),
        changed(three[2], ranking=[], propensities=[]),
        changed(two[3], candidates=[], weights=[], ranking=[], propensities=[]),
    ]
    wrong = "weights, ranking or propensities have the wrong length"
    assert audit(spark, slates, USERS[:4], depth=2) == sorted((wrong, user) for user in USERS[:4])
    uneven = [*sound().to_pylist()[:2], *sound(depth=2).to_pylist()[2:3]]
    assert (wrong, USERS[2]) in audit(spark, uneven, USERS[:3])
    assert (wrong, USERS[0]) not in audit(spark, uneven, USERS[:3])


def test_every_user_of_the_day_has_one_slate_and_nobody_else_has_one(spark):
    slates = sound().to_pylist()[:4]
    twice = changed(slates[3], ranking=slates[3]["ranking"][::-1])
    twice["propensities"] = shares(twice)
    assert audit(spark, [*slates, twice], users=[*USERS[1:4], USERS[9]]) == sorted(
        [
            ("a slate is for nobody of the day", USERS[0]),
            ("a user has more than one slate", USERS[3]),
            ("a user of the day has no slate", USERS[9]),
        ]
    )

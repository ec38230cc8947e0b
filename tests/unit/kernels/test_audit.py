"""Each kind of fault that an audit knows, put into slates that are sound otherwise."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.audit import faults
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.slate_ids import slate_ids
from nightslate.kernels.slate_weights import WeightAdjustment

from .test_scoring import FLOOR, people, scoring, split, uniform

DAY = date(2026, 11, 17)
USERS = people(16)["user_id"].to_pylist()


EVERYONE = scoring({"all": (1.0, uniform())}).assignment
GROUPS = {"a": "x", "b": "x", "c": "x", "d": "y", "e": None}


def sound(arms="abcde", depth=3, adjustment=None):
    """Slates as scoring makes them, by user; each number of arms is looked at for itself by the audit."""
    how = scoring({"all": (1.0, uniform(tuple(arms)))}, depth=depth)
    how = replace(how, adjustment=adjustment or WeightAdjustment())
    return how.scored(people(16))


def changed(slate, **columns):
    """A slate with other columns, whose id is made anew: a fault of its own, not a forgery."""
    return {**slate, **columns}


def named(slates):
    """The table of some slates, whose ids are made anew."""
    rows = pa.Table.from_pylist(slates, sound().schema)
    at = rows.schema.get_field_index("slate_id")
    return rows.set_column(at, rows.schema.field(at), slate_ids(rows, "shop", DAY))


def audit(slates, users=USERS, forge=(), depth=3):
    """Faults as (fault, user or slate's user); `forge` names users whose slate_id is not the hash."""
    rows = named(slates).to_pylist()
    for row in rows:
        row["slate_id"] = "f" * 64 if row["user_id"] in forge else row["slate_id"]
    owner = {row["slate_id"]: row["user_id"] for row in rows}
    people_of_the_day = pa.table({"user_id": pa.array(users, pa.string())})
    table = pa.Table.from_pylist(rows, sound().schema)
    found = faults(table, people_of_the_day, "shop", DAY, FLOOR, depth, EVERYONE)
    assert found.column_names == ["fault", "id"]
    return sorted((row["fault"], owner.get(row["id"], row["id"])) for row in found.to_pylist())


def test_sound_slates_have_no_fault():
    assert faults(sound(), people(16), "shop", DAY, FLOOR, 3, EVERYONE).num_rows == 0
    mixed = [*sound().to_pylist()[:8], *sound("ab", depth=2).to_pylist()[8:]]
    assert audit(mixed) == []
    assert audit([], users=[]) == []


def faulty():
    """Sound slates, and nine of which each has a fault of its own: the ninth has to be forged."""
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
    return slates


def test_each_fault_is_found_where_it_is_and_nowhere_else():
    found = audit(faulty(), forge=[USERS[9]])
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


@pytest.mark.parametrize("rows_at_once", [1, 3, 7])
def test_neither_the_order_of_slates_nor_how_many_are_looked_at_has_a_say(monkeypatch, rows_at_once):
    mixed = [*faulty(), *sound("ab", depth=2).to_pylist()[:0:-1]]
    at_once = audit(mixed, forge=[USERS[9]])
    monkeypatch.setattr("nightslate.kernels.scoring.CHUNK", rows_at_once)
    assert audit(mixed[::-1], forge=[USERS[9]]) == at_once
    order = np.random.default_rng(1).permutation(len(mixed))
    assert audit([mixed[place] for place in order], USERS[::-1], [USERS[9]]) == at_once


def test_penalties_of_diversity_are_part_of_what_is_recomputed():
    """Beside slates without any; each tampered row has ranked two arms of one group."""
    slates = [
        *sound().to_pylist()[:4],
        *sound(adjustment=WeightAdjustment({"d": 0.1, "e": 0.1}, 0.5, GROUPS)).to_pylist()[4:],
    ]
    assert audit(slates) == []
    alike = [n for n in range(4, 16) if sum(GROUPS[arm] == "x" for arm in slates[n]["ranking"]) > 1]
    penalty, groups, ungrouped, plain = alike[:4]
    slates[penalty] = changed(slates[penalty], penalty=0.25)
    slates[groups] = changed(slates[groups], groups=["x", "y", "z", None, None])
    slates[ungrouped] = changed(slates[ungrouped], groups=None)
    slates[plain] = changed(slates[plain], groups=None, penalty=None)
    assert audit(slates[: penalty + 1], USERS[: penalty + 1]) == [(WRONG, USERS[penalty])]
    found = audit([slates[groups], slates[plain]], sorted([USERS[groups], USERS[plain]]))
    assert sorted(found) == sorted([(WRONG, USERS[groups]), (WRONG, USERS[plain])])
    unexplained = "a penalty without a group for each candidate, or groups without a penalty"
    assert (unexplained, USERS[ungrouped]) in audit([slates[ungrouped]], [USERS[ungrouped]])


WRONG = "a propensity is not the one its weights give"


def shares(slate):
    """Propensities by the definition."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    found = []
    for arm in slate["ranking"]:
        found.append(weight[arm] / sum(weight.values()))
        del weight[arm]
    return found


def test_lists_of_the_wrong_length():
    five, four, three, two = (sound(arms, depth=2).to_pylist() for arms in ("abcde", "abcd", "abc", "ab"))
    slates = [
        changed(five[0], weights=five[0]["weights"][:-1]),
        changed(four[1], propensities=four[1]["propensities"][:-1]),
        changed(three[2], ranking=[], propensities=[]),
        changed(two[3], candidates=[], weights=[], ranking=[], propensities=[]),
    ]
    wrong = "weights, ranking or propensities have the wrong length"
    assert audit(slates, USERS[:4], depth=2) == sorted((wrong, user) for user in USERS[:4])
    uneven = [*sound().to_pylist()[:2], *sound(depth=2).to_pylist()[2:3]]
    assert (wrong, USERS[2]) in audit(uneven, USERS[:3])
    assert (wrong, USERS[0]) not in audit(uneven, USERS[:3])


def test_every_user_of_the_day_has_one_slate_and_nobody_else_has_one():
    slates = sound().to_pylist()[:4]
    twice = changed(slates[3], ranking=slates[3]["ranking"][::-1])
    twice["propensities"] = shares(twice)
    assert audit([*slates, twice], users=[*USERS[1:4], USERS[9]]) == sorted(
        [
            ("a slate is for nobody of the day", USERS[0]),
            ("a user has more than one slate", USERS[3]),
            ("a user of the day has no slate", USERS[9]),
        ]
    )


def test_a_change_of_any_field_after_a_slate_was_named_is_told_by_its_id():
    rows, wrong = named(sound().to_pylist()), "slate_id is not the hash of its row"
    for name, other in {
        "user_id": USERS[5],
        "issue": "another",
        "variant": "another",
        "policy": "another",
        "model_digest": "3" * 64,
        "candidates": ["a", "b", "c", "e", "d"],
        "weights": [0.5, 1.0, 1.0, 1.0, 1.0],
        "ranking": rows["ranking"][1].as_py()[::-1],
        "groups": ["x", "x", "y", "y", None],
        "penalty": 0.5,
    }.items():
        slates = rows.to_pylist()
        slates[1][name] = other
        table = pa.Table.from_pylist(slates, rows.schema)
        found = faults(table, people(16), "shop", DAY, FLOOR, 3, EVERYONE).to_pylist()
        assert [row["id"] for row in found if row["fault"] == wrong] == [slates[1]["slate_id"]]
    for program, day in (("other", DAY), ("shop", date(2026, 11, 18))):
        found = faults(rows, people(16), program, day, FLOOR, 3, EVERYONE)
        assert found["fault"].to_pylist() == [wrong] * 16


def test_a_user_has_a_slate_of_the_variant_that_it_is_in():
    """Of two that are sound by themselves: by the shares of another day some users would be in the other."""
    how = scoring(split(0.5), depth=3)
    rows, moved = how.scored(people(16)), scoring(split(0.2)).assignment
    assert faults(rows, people(16), "shop", DAY, FLOOR, 3, how.assignment).num_rows == 0
    found = faults(rows, people(16), "shop", DAY, FLOOR, 3, moved)
    now = moved.variants(user_keys(rows)).tolist()
    wrong = [
        row["slate_id"] for row, name in zip(rows.to_pylist(), now, strict=True) if row["variant"] != name
    ]
    assert 0 < len(wrong) < 16
    assert set(found["fault"].to_pylist()) == {"a slate is of another variant than its user is in"}
    assert sorted(found["id"].to_pylist()) == sorted(wrong)


def test_users_whom_somebody_else_decides_for_have_no_slate_and_nobody_else_goes_without():
    dealt = scoring({"ours": (0.5, uniform()), "theirs": (0.5, uniform())})
    both, alone = dealt.scored(people(16)), replace(dealt, external=frozenset({"theirs"})).scored(people(16))
    theirs = set(both.filter(pa.compute.equal(both["variant"], "theirs"))["user_id"].to_pylist())
    assert {*both["user_id"].to_pylist()} - theirs == {*alone["user_id"].to_pylist()}
    assert 0 < len(theirs) < 16
    judged = {"depth": 3, "assignment": dealt.assignment}

    def found(slates, external):
        rows = faults(slates, people(16), "shop", DAY, FLOOR, external=external, **judged).to_pylist()
        return sorted((row["fault"], row["id"]) for row in rows)

    assert found(alone, {"theirs"}) == found(both, ()) == []
    assert found(alone, ()) == sorted(("a user of the day has no slate", user) for user in theirs)
    of_theirs = [row["slate_id"] for row in both.to_pylist() if row["user_id"] in theirs]
    expected = sorted(("a slate is for a user whom somebody else decides for", each) for each in of_theirs)
    assert found(both, {"theirs"}) == expected

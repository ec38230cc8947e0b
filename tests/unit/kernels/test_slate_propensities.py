"""Propensities of what an engine showed of a slate: as enumeration has them, or blamed by name."""

import math
from itertools import pairwise, permutations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.contracts import load
from nightslate.kernels.lists import codes, matrix

from .shown_slates import MISMATCH, NOT_FIRST, SLATE, WEIGHTS, cuts, decision, judged, slate, verdicts

NO_SLATE = ("unknown_slate", "slate_id is a slate that was published for the user, for ds or the day before")
OTHER_SLATE = ("not_of_slate", "the rows of a decision have the same slate_id")
OTHER_ISSUE = ("not_of_slate", "issue is the slate's")
OTHER_VARIANT = ("not_of_slate", "variant is the slate's")
OTHER_POLICY = ("not_of_slate", "policy is the slate's")
GAP = ("not_of_slate", "the slots of a decision are 1, 2 and so on without a gap")
OTHER_ELIGIBLE = ("not_of_slate", "the rows of a decision have the same eligible_arms")


def enumerated(slate, eligible, shown, kind):
    """By adding up the probabilities of all rankings of all candidates, each cut down to the eligible."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    prefix, marginal = [[] for _ in shown], [[] for _ in shown]
    for ranking in permutations(weight):
        left, probability = sum(weight.values()), 1.0
        for arm in ranking:
            probability *= weight[arm] / left if arm != ranking[-1] else 1.0
            left -= weight[arm]
        cut = [arm for arm in ranking if arm in eligible]
        for slot in range(len(shown)):
            if cut[: slot + 1] == shown[: slot + 1]:
                prefix[slot].append(probability)
            if cut[slot] == shown[slot]:
                marginal[slot].append(probability)
    if kind == "marginal":
        return [math.fsum(each) for each in marginal]
    joint = [1.0, *map(math.fsum, prefix)]
    return [later / before for before, later in pairwise(joint)]


@settings(max_examples=60, deadline=None)
@given(st.lists(cuts(), max_size=5), st.sampled_from(["conditional", "marginal"]), st.randoms())
def test_propensities_are_those_of_enumeration(given_cuts, kind, random):
    """Slates of many shapes at once, the rows of their decisions in any order."""
    slates, rows, expected = [], [], {}
    for number, (weights, ranking, eligible, shown) in enumerate(given_cuts):
        slates.append(slate(f"s{number}", weights, ranking, f"u{number}"))
        mine = decision(shown, f"d{number}-", f"s{number}", f"u{number}", eligible_arms=eligible)
        allowed = weights if eligible is None else eligible
        found = enumerated(slates[-1], allowed, shown, kind)
        expected |= {row["impression_id"]: each for row, each in zip(mine, found, strict=True)}
        rows += mine
    random.shuffle(rows)
    found = judged(rows, slates, kind)
    assert [row for row in found.values() if row["_reason"]] == []
    assert {name: row["propensity"] for name, row in found.items()} == pytest.approx(expected, rel=1e-12)
    assert {row["variant"] for row in found.values()} <= {"v"}
    assert {row["policy"] for row in found.values()} <= {"greedy"}
    assert {row["issue"] for row in found.values()} <= {"i"}


def test_a_decision_by_hand():
    """b and d are dropped: a of 0.6, c of 0.2."""
    rows = decision("ac", eligible_arms=["a", "c", "e"])
    found = [row["propensity"] for row in judged(rows).values()]
    assert found == pytest.approx([0.4 / 0.6, 0.15 / 0.2], rel=1e-6)
    found = [row["propensity"] for row in judged(rows, kind="marginal").values()]
    assert found[1] == pytest.approx(0.4 / 0.6 * 0.15 / 0.2 + 0.05 / 0.6 * 0.15 / 0.55, rel=1e-6)


def test_a_propensity_does_not_depend_on_the_company_of_its_row():
    """To the last bit: whatever else is in the bucket, and with how many candidates."""
    rows, others = decision("ac", eligible_arms=["c", "a", "e"]), decision("zya", "o", "t", "w")
    alone = judged(rows)
    slates = [slate("t", {"z": 0.5, "y": 0.2, **WEIGHTS}, "zyabcde", "w"), SLATE]
    together = judged([*others, *rows], slates)
    assert {name: together[name] for name in alone} == alone
    assert all(row["propensity"] for row in together.values())


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (decision(slate_id="t"), NO_SLATE),
        (decision(user="w"), NO_SLATE),
        ([*decision(), {**decision("abc")[2], "slate_id": "t"}], OTHER_SLATE),
        ([*decision("a"), {**decision()[1], "slate_id": None, "propensity": 0.5}], OTHER_SLATE),
        (decision(issue="j"), OTHER_ISSUE),
        ([decision()[0], {**decision()[1], "issue": "j"}], OTHER_ISSUE),
        (decision(variant="w"), OTHER_VARIANT),
        (decision(policy="shy"), OTHER_POLICY),
        ([decision()[0], {**decision()[1], "variant": "w"}], OTHER_VARIANT),
        ([decision("abc")[0], decision("abc")[2]], GAP),
        (decision("abc")[1:], GAP),
        ([*decision(), {**decision()[1], "impression_id": "again"}], GAP),
        ([decision()[0], {**decision()[1], "eligible_arms": ["a", "b"]}], OTHER_ELIGIBLE),
        (decision("ba"), NOT_FIRST),
        (decision("ac"), NOT_FIRST),
        (decision("aa"), NOT_FIRST),
        (decision("ab", eligible_arms=["a", "c"]), NOT_FIRST),
        (decision("az", eligible_arms=["a", "z"]), NOT_FIRST),
        (decision("z"), NOT_FIRST),
        (decision("a", eligible_arms=[]), NOT_FIRST),
        (decision("abcde"), NOT_FIRST),
        (decision("e", eligible_arms=["e"]), NOT_FIRST),
        (decision("ab", propensity=0.4), MISMATCH),
    ],
)
def test_a_decision_that_is_not_of_its_slate_is_blamed_as_a_whole(rows, why):
    """And its neighbour is not, nor is a row in it changed."""
    for number, row in enumerate(rows):
        row["impression_id"] = f"bad{number}"
    found = judged([*decision(name="n"), *rows, *decision(name="o")])
    for name, row in found.items():
        assert (row["_reason"], row["_clause"]) == (why if name.startswith("bad") else (None, None))
    for row in rows:
        assert {**found[row["impression_id"]], **row} == found[row["impression_id"]]
        assert found[row["impression_id"]]["propensity"] == row.get("propensity")


def test_every_reason_is_one_of_quarantine():
    known = load("quarantine").column("reason").allowed
    assert {NO_SLATE[0], GAP[0], MISMATCH[0]} <= set(known)


def test_a_set_of_eligible_arms_has_no_order_and_may_name_arms_that_are_no_candidates():
    one, other = decision()
    rows = [{**one, "eligible_arms": ["e", "b", "a"]}, {**other, "eligible_arms": ["a", "z", "b", "e", None]}]
    assert set(verdicts(rows).values()) == {(None, None)}


@pytest.mark.parametrize("error", [0, 9e-7, -9e-7])
@pytest.mark.parametrize("kind", ["conditional", "marginal"])
def test_a_propensity_that_agrees_with_the_slate_is_kept_as_it_was_logged(kind, error):
    exact = judged(decision(), kind=kind)
    logged = [
        {**row, "propensity": exact[row["impression_id"]]["propensity"] * (1 + error)} for row in decision()
    ]
    found = judged(logged, kind=kind)
    assert {row["propensity"] for row in found.values()} == {row["propensity"] for row in logged}
    assert {row["_reason"] for row in found.values()} == {None}
    assert {(row["issue"], row["variant"], row["policy"]) for row in found.values()} == {("i", "v", "greedy")}


@pytest.mark.parametrize("error", [1.1e-6, -1.1e-6])
def test_one_propensity_that_does_not_agree_costs_the_decision(error):
    second = judged(decision())["d2"]["propensity"] * (1 + error)
    rows = [decision()[0], {**decision()[1], "propensity": second}]
    assert verdicts(rows) == {"d1": MISMATCH, "d2": MISMATCH}


def test_published_propensities_are_no_marginal_ones():
    exact = judged(decision())
    rows = [{**row, "propensity": exact[row["impression_id"]]["propensity"]} for row in decision()]
    assert {reason for reason, _ in verdicts(rows, [SLATE], "marginal").values()} == {"propensity_mismatch"}


def test_logged_propensities_stand_where_no_slate_is_known():
    rows = [
        *decision("ba", propensity=0.5, slate_id=None, variant="w"),
        *decision("ba", "e", propensity=0.5, slate_id="t", variant="w"),
    ]
    for slates in ([], [SLATE]):
        found = judged(rows, slates)
        assert [{**found[row["impression_id"]], **row} for row in rows] == list(found.values())
        assert {row["_reason"] for row in found.values()} == {None}
    half = [rows[2], {**rows[3], "propensity": None}]
    assert set(verdicts(half).values()) == {NO_SLATE}


def test_the_slate_of_another_user_says_nothing():
    rows = decision("ba", user="w", propensity=0.5)
    assert all({**found, **row} == found for found, row in zip(judged(rows).values(), rows, strict=True))
    said = {(row["issue"], row["variant"], row["_reason"]) for row in judged(rows).values()}
    assert said == {(None, None, None)}


def test_a_long_ranking_keeps_its_order():
    arms = [f"a{number}" for number in range(60)]
    weights = {arm: 1.0 + number for number, arm in enumerate(arms)}
    rows = decision(arms[1::2], eligible_arms=arms[1::2])
    found = [row["propensity"] for row in judged(rows, [slate("s", weights, arms)]).values()]
    kept = [weights[arm] for arm in arms[1::2]]
    assert found == pytest.approx([weight / sum(kept[n:]) for n, weight in enumerate(kept)], rel=1e-12)


def test_users_may_share_a_decision_id():
    rows = [*decision("ab"), *decision("ba", slate_id="t", user="w")]
    for number, row in enumerate(rows):
        row["impression_id"] = str(number)
    assert set(verdicts(rows, [SLATE, slate("t", ranking="ba", user="w")]).values()) == {(None, None)}


def test_chunks_end_between_decisions(monkeypatch):
    monkeypatch.setattr("nightslate.core.arrays.CHUNK_BYTES", 1)
    rows = [row for number in range(7) for row in decision("ac", f"d{number}", eligible_arms=["a", "c"])]
    rows[5]["eligible_arms"] = ["a", "c", "d"]
    found = verdicts(rows)
    assert {name for name, verdict in found.items() if verdict == OTHER_ELIGIBLE} == {"d21", "d22"}
    assert set(found.values()) == {OTHER_ELIGIBLE, (None, None)}


def test_rows_may_say_themselves_what_their_propensities_mean():
    """The second arm's is .3 / .6 after the first one, and .3 (.4 / .6 + .15 / .85 + .1 / .9 + .05 / .95)
    whatever stands before it."""
    rows = decision("ab", name="c", propensity_kind="conditional")
    rows += decision("ab", name="m", propensity_kind="marginal")
    rows += decision("ab")
    for kind, expected in (("conditional", 0.5), ("marginal", 0.3020640)):
        found = judged(rows, kind=kind)
        assert found["c2"]["propensity"] == pytest.approx(0.5, rel=1e-6)
        assert found["m2"]["propensity"] == pytest.approx(0.3020640, rel=1e-6)
        assert found["d2"]["propensity"] == pytest.approx(expected, rel=1e-6)
        said = [found[name]["propensity_kind"] for name in ("c2", "m2", "d2")]
        assert said == ["conditional", "marginal", None]


def test_a_decision_has_propensities_of_one_kind():
    first, second = decision("ab")
    rows = [{**first, "propensity_kind": "marginal"}, second]
    assert verdicts(rows) == {"d1": (None, None), "d2": GAP}


def test_no_rows():
    assert judged([]) == {}


def test_lists_of_equal_length_are_matrices():
    lists = pa.chunked_array([[["a", "b"]], [["c", "a"], [None, "z"]]])
    assert codes(lists, pa.array(["a", "b", "c"])).tolist() == [[0, 1], [2, 0], [3, 3]]
    assert matrix(pa.chunked_array([[[1.0, 2.0]], [[3.0, 4.0]]])).tolist() == [[1.0, 2.0], [3.0, 4.0]]

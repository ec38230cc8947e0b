"""Propensities of what was shown of a slate with a diversity penalty, also once arms were removed."""

import math
from itertools import permutations

import pytest

from nightslate.contracts import load

from .shown_slates import MISMATCH, NOT_FIRST, decision, judged, slate, verdicts

REMOVED = (
    "arms_removed_after_diversity",
    "at most 10 candidates of a slate with a diversity penalty were removed, and propensities are"
    " conditional",
)
GROUPS = {"a": "x", "b": "x", "c": "y", "d": "x"}
DIVERSIFIED = slate(penalty=0.5, propensities=[0.4, 0.45, 0.6, 0.7], groups=GROUPS)


@pytest.mark.parametrize("eligible", [None, list("edcba")])
def test_of_a_diversified_slate_the_propensities_are_those_that_were_published(eligible):
    found = judged(decision("abc", eligible_arms=eligible), [DIVERSIFIED])
    assert [found[f"d{slot}"]["propensity"] for slot in (1, 2, 3)] == [0.4, 0.45, 0.6]
    assert {row["_reason"] for row in found.values()} == {None}


def diversified(slate, eligible, shown):
    """By adding up the probabilities of all rankings of the slate's depth, each cut down to the eligible."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    group = dict(zip(slate["candidates"], slate["groups"], strict=True))
    cuts = []
    for ranking in permutations(weight, len(slate["ranking"])):
        left, probability = dict(weight), 1.0
        for arm in ranking:
            probability *= left.pop(arm) / (
                sum(left.values()) + weight_now(weight, group, ranking, arm, slate)
            )
            if group[arm]:
                left = {a: w * (slate["penalty"] if group[a] == group[arm] else 1) for a, w in left.items()}
        cuts.append(([arm for arm in ranking if arm in eligible], probability))
    found = []
    for slot in range(len(shown)):
        filled = [(cut, p) for cut, p in cuts if cut[:slot] == list(shown[:slot]) and len(cut) > slot]
        like = math.fsum(p for cut, p in filled if cut[slot] == shown[slot])
        found.append(like / math.fsum(p for _, p in filled))
    return found


def weight_now(weight, group, ranking, arm, slate):
    before = [other for other in ranking[: ranking.index(arm)] if group[other] and group[other] == group[arm]]
    return weight[arm] * slate["penalty"] ** len(before)


@pytest.mark.parametrize(
    ("shown", "eligible"),
    [("ab", "abcd"), ("bc", "bcde"), ("bd", "bde"), ("cd", "cd"), ("d", "d"), ("ac", "ac")],
)
def test_once_arms_were_removed_propensities_are_those_of_enumeration(shown, eligible):
    """Also where the arm is none of those ranked."""
    plain = [*decision("ab", "p", "plain", "w"), *decision(shown, eligible_arms=list(eligible))]
    found = judged(plain, [DIVERSIFIED, slate("plain", user="w")])
    expected = diversified(DIVERSIFIED, eligible, shown)
    assert [found[f"d{slot + 1}"]["propensity"] for slot in range(len(shown))] == pytest.approx(
        expected, rel=1e-12
    )
    assert {row["_reason"] for row in found.values()} == {None}
    assert found["p1"] == judged(plain[:2], [slate("plain", user="w")])["p1"]


def test_an_engine_that_brings_its_own_propensity_after_a_removal_must_agree():
    exact = judged(decision("bc", eligible_arms=list("bcde")), [DIVERSIFIED])
    for error, reason in ((9e-7, None), (1e-5, "propensity_mismatch")):
        rows = [
            {**row, "propensity": exact[row["impression_id"]]["propensity"] * (1 + error)}
            for row in decision("bc", eligible_arms=list("bcde"))
        ]
        assert {row["_reason"] for row in judged(rows, [DIVERSIFIED]).values()} == {reason}


def test_no_propensity_follows_once_more_than_ten_arms_were_removed_or_where_they_are_marginal():
    arms = {chr(ord("a") + number): 1.0 + number for number in range(13)}
    many = slate(weights=arms, ranking="abcd", penalty=0.5, groups=dict.fromkeys(arms, "x"))
    assert set(verdicts(decision("ab", eligible_arms=list("ab")), [many]).values()) == {REMOVED}
    assert set(verdicts(decision("ab", eligible_arms=list("abc")), [many]).values()) == {(None, None)}
    assert verdicts(decision("a"), [DIVERSIFIED], "marginal") == {"d1": REMOVED}
    assert verdicts(decision("a", eligible_arms=["a"]), [DIVERSIFIED], "marginal") == {"d1": REMOVED}
    assert verdicts(decision("b"), [DIVERSIFIED]) == {"d1": NOT_FIRST}
    assert verdicts(decision("a", propensity=0.5), [DIVERSIFIED])["d1"] == MISMATCH


def test_the_reason_is_one_that_quarantine_knows():
    (reason,) = [column for column in load("quarantine").columns if column.name == "reason"]
    assert REMOVED[0] in reason.allowed

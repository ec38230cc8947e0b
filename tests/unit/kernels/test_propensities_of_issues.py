"""Propensities of what was shown of a slate whose issue was drawn: with the probability of the issue."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .shown_slates import SLATE, cuts, decision, judged, slate


@settings(max_examples=30, deadline=None)
@given(cuts(), st.sampled_from(["conditional", "marginal"]), st.floats(0.001, 1.0))
def test_a_slate_of_one_of_several_issues_is_shown_with_the_probability_of_both(cut, kind, chance):
    """What is shown is the issue's probability less likely, as a whole: later conditional propensities are
    given what stands in the first slot, and with it the issue."""
    weights, ranking, eligible, shown = cut
    rows = decision(shown, eligible_arms=eligible)
    alone = judged(rows, [slate("s", weights, ranking)], kind)
    found = judged(rows, [slate("s", weights, ranking, issue_probability=chance)], kind)
    for name, row in found.items():
        factor = chance if kind == "marginal" or row["slot"] == 1 else 1.0
        assert row["propensity"] == pytest.approx(alone[name]["propensity"] * factor, rel=1e-12)
        assert (row["issue_probability"], alone[name]["issue_probability"]) == (chance, None)
    if found and kind == "conditional":
        joint = math.prod(row["propensity"] for row in found.values())
        given_issue = math.prod(row["propensity"] for row in alone.values())
        assert joint == pytest.approx(chance * given_issue, rel=1e-12)


DRAWN = slate(issue_probability=0.25)
OTHER_PROBABILITY = ("propensity_mismatch", "issue_probability is the slate's, to 1e-06 of it")


def test_a_logged_propensity_has_to_have_the_probability_of_the_issue():
    exact = {name: row["propensity"] for name, row in judged(decision(), [DRAWN]).items()}
    as_published = {name: row["propensity"] for name, row in judged(decision()).items()}
    for logged, reason in ((exact, None), (as_published, "propensity_mismatch")):
        rows = [{**row, "propensity": logged[row["impression_id"]]} for row in decision()]
        assert {row["_reason"] for row in judged(rows, [DRAWN]).values()} == {reason}


@pytest.mark.parametrize(
    ("of_slate", "logged", "verdict"),
    [
        (DRAWN, 0.25 * (1 + 9e-7), (None, None)),
        (DRAWN, 0.25 * (1 + 1.1e-6), OTHER_PROBABILITY),
        (DRAWN, 1.0, OTHER_PROBABILITY),
        (SLATE, 1.0, (None, None)),
        (SLATE, 0.5, OTHER_PROBABILITY),
    ],
)
def test_a_logged_probability_of_the_issue_has_to_be_that_of_the_slate(of_slate, logged, verdict):
    rows = decision(issue_probability=logged)
    found = judged(rows, [of_slate])
    assert {(row["_reason"], row["_clause"]) for row in found.values()} == {verdict}
    assert {row["issue_probability"] for row in found.values()} == {logged}

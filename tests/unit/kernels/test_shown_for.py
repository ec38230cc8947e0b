"""Whose impression it is: what it says, else what its arm says, else nobody knows and nobody guesses."""

import pyarrow as pa
import pytest

from nightslate.contracts import load
from nightslate.kernels.conform import VERDICT
from nightslate.kernels.shown_for import ShownFor

SLOTS = {"home": 3, "mail": 1}
SEVERAL = ShownFor({"home": ["a", "b"], "mail": ["b", "c"]}, SLOTS)
ALONE = ShownFor({"all": ["a", "b"]}, {"all": 3})
UNKNOWN = ("not_allowed", "issue is one of home, mail")
UNTOLD = ("required", "issue is required where an arm is of several issues, or of none")
NONE = (None, None)
SCHEMA = pa.schema([("arm_id", pa.string()), ("issue", pa.string()), ("slot", pa.int32()), *VERDICT.items()])


def judged(shown_for, *rows):
    """Issue and verdict of rows of (arm, issue, reason and clause)."""
    table = pa.Table.from_pylist(
        [
            {"arm_id": arm, "issue": issue, "slot": 1, "_reason": verdict[0], "_clause": verdict[1]}
            for arm, issue, verdict in rows
        ],
        SCHEMA,
    )
    found = shown_for(table)
    assert found.schema == SCHEMA
    assert found["arm_id"].to_pylist() == [row[0] for row in rows]
    return [(row["issue"], (row["_reason"], row["_clause"])) for row in found.to_pylist()]


@pytest.mark.parametrize(
    ("arm", "said", "issue", "verdict"),
    [
        ("a", None, "home", NONE),
        ("c", None, "mail", NONE),
        ("b", None, None, UNTOLD),
        ("z", None, None, UNTOLD),
        ("b", "mail", "mail", NONE),
        ("a", "mail", "mail", NONE),
        ("z", "home", "home", NONE),
        ("a", "Home", "Home", UNKNOWN),
        ("b", "", "", UNKNOWN),
    ],
)
def test_a_row_says_it_or_the_one_issue_does_that_alone_has_its_arm(arm, said, issue, verdict):
    assert judged(SEVERAL, (arm, said, NONE)) == [(issue, verdict)]


def test_a_program_of_one_issue_has_nothing_to_tell_apart():
    rows = [("a", None, NONE), ("z", None, NONE), ("b", "all", NONE), ("a", "home", NONE)]
    only = ("not_allowed", "issue is one of all")
    assert judged(ALONE, *rows) == [("all", NONE), ("all", NONE), ("all", NONE), ("home", only)]


def test_a_reject_stays_as_it_came():
    """With the verdict that it has, and without an issue that it did not bring."""
    old = ("out_of_range", "slot >= 1")
    rows = [("a", None, old), ("b", None, old), ("a", "nobody", old), ("c", None, NONE)]
    assert judged(SEVERAL, *rows) == [(None, old), (None, old), ("nobody", old), ("mail", NONE)]
    assert judged(ALONE, ("a", None, old)) == [(None, old)]


@pytest.mark.parametrize("arms", [{"home": ["a"], "mail": []}, {"home": [], "mail": []}])
def test_an_issue_may_have_no_arms_on_a_day(arms):
    found = judged(ShownFor(arms, SLOTS), ("a", None, NONE), ("b", None, NONE))
    assert found == [("home", NONE) if arms["home"] else (None, UNTOLD), (None, UNTOLD)]


@pytest.mark.parametrize("shown_for", [SEVERAL, ALONE])
def test_rows_may_come_in_chunks_or_not_at_all(shown_for):
    assert judged(shown_for) == []
    rows = pa.Table.from_pylist([{"arm_id": "a"}, {"arm_id": "b", "issue": "home"}], SCHEMA)
    chunks = pa.concat_tables([rows.slice(0, 1), rows.slice(1), rows.slice(0, 0)])
    assert shown_for(chunks).to_pylist() == shown_for(rows.combine_chunks()).to_pylist()


def test_the_reasons_are_some_that_quarantine_knows():
    assert {UNKNOWN[0], UNTOLD[0]} <= set(load("quarantine").column("reason").allowed)


def test_a_slot_that_its_issue_does_not_fill_is_rejected():
    rows = pa.Table.from_pylist(
        [{"arm_id": "a", "slot": 3}, {"arm_id": "c", "slot": 1}, {"arm_id": "c", "slot": 2}], SCHEMA
    )
    verdicts = SEVERAL(rows)["_clause"].to_pylist()
    assert verdicts == [None, None, "slot <= 1 of the issue mail"]

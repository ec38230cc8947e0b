"""What becomes of outcomes where several issues may have earned them."""

from dataclasses import replace

import pyarrow as pa
import pytest
from tests.oracles.attribution import Terms
from tests.unit.kernels.histories import HOUR, attributor, done, impressions_table, outcomes_table, shown

from nightslate.kernels.attribution import CREDITS, UNATTRIBUTED
from nightslate.kernels.credits import attributed

TERMS = Terms(window=10 * HOUR, values={"click": 1.0, "task": 5.0})
HOME = shown("home", 0, "a")
MAIL = shown("mail", 1, "b")


def found(outcomes, impressions=((HOME, "home"), (MAIL, "mail")), **issues):
    """Credits by outcome and impression, and reasons by outcome. Every outcome has either."""
    how = {name: attributor(terms) for name, terms in ({"home": TERMS, "mail": TERMS} | issues).items()}
    rows = impressions_table([row for row, _ in impressions])
    rows = rows.append_column("issue", pa.array([issue for _, issue in impressions], pa.string()))
    tables = attributed(how, {"impressions": rows, "outcomes": outcomes_table(outcomes)})
    assert (tables["credits"].schema, tables["unattributed"].schema) == (CREDITS, UNATTRIBUTED)
    credits = {
        (row["outcome_id"], row["impression_id"]): row["credit"] for row in tables["credits"].to_pylist()
    }
    left = {row["outcome_id"]: row["reason"] for row in tables["unattributed"].to_pylist()}
    assert len(left) == tables["unattributed"].num_rows
    assert {outcome for outcome, _ in credits} | left.keys() == {row["outcome_id"] for row in outcomes}
    assert left.keys().isdisjoint({outcome for outcome, _ in credits})
    return credits, left


def test_each_issue_credits_its_own_impressions():
    outcomes = [done(1, arm="a"), done(2, impression="imail"), done(3, arm="c")]
    credits, left = found(outcomes)
    assert credits == {("o1", "ihome"): 1.0, ("o2", "imail"): 1.0}
    assert left == {"o3": "no_impression"}


def test_an_outcome_that_names_neither_is_shared_within_each_issue_and_not_between_them():
    impressions = ((HOME, "home"), (shown("more", 2, "c"), "home"), (MAIL, "mail"))
    linear = replace(TERMS, rule="linear", match="user")
    credits, left = found([done(1)], impressions, home=linear, mail=linear)
    assert credits == {("o1", "ihome"): 0.5, ("o1", "imore"): 0.5, ("o1", "imail"): 1.0}
    assert left == {}


def test_each_issue_has_its_own_worth_and_window():
    mail = replace(TERMS, values={"click": 0.25}, window=2 * HOUR)
    user = {"home": replace(TERMS, match="user"), "mail": replace(mail, match="user")}
    credits, left = found([done(1, 2), done(2, 5), done(3, 5, "task"), done(4, 12)], **user)
    assert credits == {
        ("o1", "ihome"): 1.0,
        ("o1", "imail"): 0.25,
        ("o2", "ihome"): 1.0,
        ("o3", "ihome"): 5.0,
    }
    assert left == {"o4": "late"}


@pytest.mark.parametrize(
    ("outcome", "mail", "reason"),
    [
        (done(1, 20, impression="imail"), TERMS, "late"),  # home knows of no such impression
        (done(1, 0, impression="imail"), TERMS, "before_impression"),
        (done(1, 20, "task", impression="ihome"), replace(TERMS, values={"click": 1.0}), "late"),
        (done(1, 5, "view"), TERMS, "not_valued"),
        (done(1, arm=None), replace(TERMS, match="user_arm"), "unnamed"),
    ],
)
def test_what_none_credits_has_the_reason_of_the_issue_that_came_closest(outcome, mail, reason):
    home = replace(TERMS, match="user_arm") if reason == "unnamed" else TERMS
    for issues in ({"home": home, "mail": mail}, {"mail": mail, "home": home}):
        assert found([outcome], **issues) == ({}, {"o1": reason})


def test_what_is_left_keeps_its_kind_and_its_value():
    how = {name: attributor(TERMS) for name in ("home", "mail")}
    rows = impressions_table([HOME]).append_column("issue", pa.array(["home"]))
    outcomes = outcomes_table([done(2, 20, "task", 3.0, "a"), done(1, 5, "view", 0.5)])
    left = attributed(how, {"impressions": rows, "outcomes": outcomes})["unattributed"].sort_by("outcome_id")
    assert left.to_pylist() == [
        {"outcome_id": "o1", "kind": "view", "reason": "not_valued", "value": 0.5},
        {"outcome_id": "o2", "kind": "task", "reason": "late", "value": 3.0},
    ]


def test_one_issue_has_all_impressions_whatever_they_say():
    """Rows from before there were issues say nothing."""
    how = {"all": attributor(TERMS)}
    tables = {"impressions": impressions_table([HOME]), "outcomes": outcomes_table([done(1, arm="a")])}
    assert attributed(how, tables)["credits"]["credit"].to_pylist() == [1.0]


@pytest.mark.parametrize("issues", [{"all": TERMS}, {"home": TERMS, "mail": TERMS}])
def test_where_there_are_no_outcomes_there_is_nothing(issues):
    how = {name: attributor(terms) for name, terms in issues.items()}
    rows = impressions_table([HOME]).append_column("issue", pa.array(["home"]))
    tables = attributed(how, {"impressions": rows, "outcomes": outcomes_table([])})
    assert tables == {"credits": CREDITS.empty_table(), "unattributed": UNATTRIBUTED.empty_table()}

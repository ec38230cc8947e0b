"""What becomes of outcomes, by hand, and how much of it there can be."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.oracles.attribution import Terms
from tests.unit.kernels.histories import (
    HOUR,
    START,
    TICK,
    TOPICS,
    VALUES,
    attributor,
    credited,
    done,
    impressions_table,
    kernel,
    outcomes_table,
    reasons,
    shown,
)

from nightslate.core.attribution import RULES
from nightslate.core.errors import InvalidInputError
from nightslate.kernels.attribution import CREDITS, UNATTRIBUTED

TEN_HOURS = Terms(window=10 * HOUR)


def test_a_credit_says_what_it_is_worth_and_how_late_it_came():
    terms = replace(TEN_HOURS, values={"task": 20.0}, rule="linear")
    found = kernel([shown(1), shown(2, 4)], [done(1, 7, "task", 2.5)], terms)
    row = {"kind": "task", "credit": 25.0, "value": 50.0, "rule": "linear"}
    assert found.credits == {
        ("o1", "i1"): {**row, "lag_seconds": 25200.0},
        ("o1", "i2"): {**row, "lag_seconds": 10800.0},
    }
    assert found.unattributed == {}


def test_tables_have_their_columns_even_where_there_is_nothing():
    for impressions, outcomes in (([], []), ([], [done(1)]), ([shown(1)], [])):
        found = attributor(TEN_HOURS).attribute(impressions_table(impressions), outcomes_table(outcomes))
        assert all(piece.schema == CREDITS and piece.num_rows == 0 for piece in found.credits())
        assert found.unattributed.schema == UNATTRIBUTED
        assert found.unattributed.num_rows == len(outcomes)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (done(1, impression="i9"), "no_impression"),
        (done(1, user="v", impression="i1"), "no_impression"),
        (done(1, 11, impression="i1"), "late"),
        (done(1, 1, impression="i2"), "before_impression"),
    ],
    ids=["unknown", "of another user", "too old", "not shown yet"],
)
def test_an_outcome_that_names_an_impression_goes_to_no_other(outcome, reason):
    impressions = [shown(1), shown(2, 2), shown(3, user="v")]
    assert reasons(impressions, [outcome], TEN_HOURS) == {"o1": reason}
    assert credited(impressions, [outcome], TEN_HOURS) == {}


def test_the_closest_that_an_outcome_says_enough_for_is_touched():
    impressions = [shown(1), shown(2, 1, arm="b"), shown(3, 2), shown(4, 3, user="v")]
    outcomes = [done(1), done(2, arm="b"), done(3, arm="b", impression="i1"), done(4, arm="c")]
    assert credited(impressions, outcomes, TEN_HOURS) == {
        "o1": {"i3": 1.0},
        "o2": {"i2": 1.0},
        "o3": {"i1": 1.0},
    }


def test_a_topic_is_that_of_the_arm_and_none_is_no_topic():
    terms = replace(TEN_HOURS, match="user_topic", topics=TOPICS)
    impressions = [shown(1, arm="a"), shown(2, 1, arm="c"), shown(3, 2, arm="d")]
    outcomes = [done(1, arm="b"), done(2, arm="d"), done(3, arm="e"), done(4), done(5, impression="i1")]
    assert credited(impressions, outcomes, terms) == {"o1": {"i1": 1.0}}
    assert reasons(impressions, outcomes, terms) == {
        "o2": "no_impression",
        "o3": "no_impression",
        "o4": "unnamed",
        "o5": "unnamed",
    }


@pytest.mark.parametrize("impression", [None, "i1"])
def test_the_window_holds_both_its_ends(impression):
    outcomes = [done(n, time, impression=impression) for n, time in enumerate([0, 10, 10 + TICK / HOUR])]
    assert set(credited([shown(1)], outcomes, TEN_HOURS)) == {"o0", "o1"}
    assert reasons([shown(1)], outcomes, TEN_HOURS) == {"o2": "late"}


def test_a_skew_excuses_the_outcome_that_names_its_impression_and_no_other():
    terms = replace(TEN_HOURS, skew=HOUR, decay=HOUR)
    outcomes = [
        done(1, 1, impression="i1"),
        done(2, 1 - TICK / HOUR, impression="i1"),
        done(3, 1, arm="a"),
    ]
    found = kernel([shown(1, 2)], outcomes, terms)
    assert {key: (row["credit"], row["lag_seconds"]) for key, row in found.credits.items()} == {
        ("o1", "i1"): (1.0, 0.0)
    }
    assert {key: row["reason"] for key, row in found.unattributed.items()} == {
        "o2": "before_impression",
        "o3": "no_impression",
    }


def test_of_one_moment_the_last_slot_is_the_latest_and_then_the_last_id():
    assert credited([shown(1, slot=2), shown(2, slot=1)], [done(1)], TEN_HOURS) == {"o1": {"i1": 1.0}}
    assert credited([shown(10), shown(9)], [done(1)], TEN_HOURS) == {"o1": {"i9": 1.0}}
    without = [{name: value for name, value in row.items() if name != "slot"} for row in (shown(2), shown(1))]
    assert credited(without, [done(1)], TEN_HOURS) == {"o1": {"i2": 1.0}}


def test_an_outcome_may_come_without_the_columns_that_it_need_not_have():
    bare = [{name: value for name, value in done(1).items() if name not in ("arm_id", "impression_id")}]
    assert credited([shown(1)], bare, TEN_HOURS) == {"o1": {"i1": 1.0}}
    assert reasons([shown(1)], bare, replace(TEN_HOURS, match="user_arm")) == {"o1": "unnamed"}


def test_a_decay_takes_from_the_value_and_not_only_from_the_share():
    terms = replace(TEN_HOURS, rule="linear", decay=2 * HOUR)
    found = kernel([shown(1, 1), shown(2, 3)], [done(1, 5)], terms)
    assert [row["credit"] for row in found.credits.values()] == [0.125, 0.25]
    assert {row["value"] for row in found.credits.values()} == {0.375}


def test_a_cap_leaves_the_first_theirs_and_counts_by_utc_day():
    terms = replace(TEN_HOURS, window=48 * HOUR, cap=1.5, values=VALUES | {"task": 2.0})
    outcomes = [
        done(3, 9, "task"),  # crosses the cap
        done(1, 8, "cancel", 2.0),  # makes no room
        done(2, 8, "click", 2.0),
        done(4, 10, "task"),
        done(5, 10, "cancel"),
        done(6, 10, "click", 0.0),
        done(7, 24 - TICK / HOUR, "click"),
        done(8, 24, "task"),
        done(9, 9, "task", user="v"),
    ]
    assert credited([shown(1), shown(2, user="v")], outcomes, terms) == {
        "o1": {"i1": -1.0},
        "o2": {"i1": 0.5},
        "o3": {"i1": 1.0},
        "o5": {"i1": -0.5},
        "o6": {"i1": 0.0},
        "o8": {"i1": 1.5},
        "o9": {"i2": 1.5},
    }
    assert reasons([shown(1)], outcomes, terms) == {"o4": "capped", "o7": "capped", "o9": "no_impression"}


@pytest.mark.parametrize("touches", [3, 10, 49])
def test_what_rounding_leaves_of_a_cap_is_nothing(touches):
    """Tenths don't sum to 1 in floating point; the second outcome is capped all the same."""
    terms = replace(TEN_HOURS, rule="linear", cap=1.0)
    impressions = [shown(n) for n in range(touches)]
    assert reasons(impressions, [done(1), done(2, 6)], terms) == {"o2": "capped"}


def test_outcomes_beyond_so_many_of_a_day_are_not_looked_at():
    terms = replace(TEN_HOURS, window=48 * HOUR, max_outcomes=2, values={"click": 1.0})
    outcomes = [done(n, hours) for n, hours in enumerate([9, 8, 8, 24, 25])] + [done(9, 7, "view")]
    assert set(credited([shown(1)], outcomes, terms)) == {"o1", "o2", "o3", "o4"}
    assert reasons([shown(1)], outcomes, terms) == {"o0": "too_many", "o9": "not_valued"}


@pytest.mark.parametrize("rule", RULES)
def test_a_bot_stays_within_bounds(rule):
    """200,000 impressions and 50,000 outcomes of one user in one day, beside a user like any other."""
    most = {"last_touch": 1, "first_touch": 1}.get(rule, 100)
    terms = Terms(rule=rule, half_life=HOUR if rule == "time_decay" else None, max_outcomes=40_000)
    found = attributor(terms).attribute(_of_a_bot(200_000), _done_by_a_bot(50_000))
    sizes, total, users = [], 0.0, set()
    for piece in found.credits():
        sizes.append(piece.num_rows)
        total += pc.sum(piece["credit"]).as_py()
        users |= set(piece["outcome_id"].slice(piece.num_rows - 1).to_pylist())
    assert sum(sizes) == 40_000 * most
    assert max(sizes) <= 2_000_000
    assert total == pytest.approx(40_000, rel=1e-9)
    assert set(found.unattributed["reason"].to_pylist()) == {"too_many"}
    assert found.unattributed.num_rows == 10_000


def _of_a_bot(rows: int) -> pa.Table:
    moments = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(rows) * np.timedelta64(
        400_000, "us"
    )
    return pa.table(
        {
            "impression_id": np.char.add("i", np.arange(rows).astype(str)),
            "user_id": np.full(rows, "bot"),
            "arm_id": np.array(["a", "b"])[np.arange(rows) % 2],
            "occurred_at": pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        }
    )


def _done_by_a_bot(rows: int) -> pa.Table:
    first = np.datetime64((START + timedelta(hours=23)).replace(tzinfo=None), "us")
    return pa.table(
        {
            "outcome_id": np.char.add("o", np.arange(rows).astype(str)),
            "user_id": np.full(rows, "bot"),
            "kind": np.full(rows, "click"),
            "value": np.ones(rows),
            "occurred_at": pa.array(
                first + np.arange(rows) * np.timedelta64(10_000, "us"), pa.timestamp("us")
            ).cast(pa.timestamp("us", "UTC")),
        }
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"match": "nearest"}, "match"),
        ({"matches": {"click": "nearest"}}, "match"),
        ({"window": -HOUR}, "negative"),
        ({"windows": {"click": -HOUR}}, "negative"),
    ],
)
def test_terms_that_say_nothing_are_refused(change, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        kernel([shown(1)], [done(1)], replace(TEN_HOURS, **change))

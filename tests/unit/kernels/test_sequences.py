"""Decisions that follow one another, by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.encoding import Encoder
from nightslate.kernels.trajectories import Trajectories
from nightslate.kernels.transitions import sampled, transitions

DAY, HOUR, MICROSECOND = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
HOW = Trajectories(gap=2 * DAY, longest=10 * DAY)
ARMS = ("a", "b")


def log(*rows):
    """Rows of (impression, user, time); the context is the place of the row."""
    n = len(rows)
    return pa.table(
        {
            "impression_id": [name for name, _, _ in rows],
            "user_id": [user * 32 for _, user, _ in rows],
            "occurred_at": pa.array([time for _, _, time in rows], pa.timestamp("us", "UTC")),
            "variant": ["v"] * n,
            "arm_id": pa.array(["ab"[i % 2] for i in range(n)], pa.string()),
            "propensity": [0.5] * n,
            "eligible_arms": pa.array([None] * n, pa.list_(pa.string())),
            "seen": [float(i) for i in range(n)],
        }
    )


def credited(**of):
    columns = {"impression_id": pa.array(of, pa.string()), "credit": pa.array(of.values(), pa.float64())}
    return pa.table(columns)


def ended(rows, ds, credits_known=None, how=HOW):
    return how.ended_on(ds, rows, credits_known or credited())


def told(found):
    names = ("trajectory_id", "step", "impression_id", "terminal")
    return list(zip(*(found[name].to_pylist() for name in names), strict=True))


ROWS = log(
    ("i0", "1", MONDAY), ("i1", "2", MONDAY), ("i2", "1", MONDAY + 2 * DAY), ("i3", "2", MONDAY + 5 * DAY)
)


def test_decisions_of_a_user_no_more_than_a_gap_apart_are_a_trajectory():
    (of_user_1,) = (told(ended(ROWS, date(2026, 11, 20))),)
    assert of_user_1 == [("i0", 1, "i0", False), ("i0", 2, "i2", True)]


def test_each_trajectory_ends_on_one_night_the_first_on_which_nothing_can_follow():
    nights = [MONDAY.date() + timedelta(days=n) for n in range(9)]
    found = {night: told(ended(ROWS, night)) for night in nights}
    assert [night for night in nights if found[night]] == [
        date(2026, 11, 18),  # user 2's first offer: the next one is 5 days later
        date(2026, 11, 20),
        date(2026, 11, 23),
    ]
    assert found[date(2026, 11, 18)] == [("i1", 1, "i1", True)]


def test_what_may_still_follow_within_the_gap_is_not_over():
    at_the_end = log(("i0", "1", MONDAY + DAY))
    assert not told(ended(at_the_end, date(2026, 11, 18)))  # at midnight a decision could still follow
    assert told(ended(log(("i0", "1", MONDAY + DAY - MICROSECOND)), date(2026, 11, 18)))


def test_a_transition_knows_the_decision_after_it_and_all_its_credits():
    found = ended(ROWS, date(2026, 11, 20), credited(i0=2.0, i2=0.5))
    assert found["reward"].to_pylist() == [2.0, 0.5]
    assert found["seen"].to_pylist() == [0.0, 2.0]
    assert found["next_seen"].to_pylist() == [2.0, None]


def test_of_a_trajectory_that_lasts_longer_the_last_decisions_count():
    daily = log(*((f"i{n}", "1", MONDAY + n * DAY) for n in range(6)))
    how = Trajectories(gap=2 * DAY, longest=2 * DAY)
    found = ended(daily, date(2026, 11, 23), how=how)
    assert told(found) == [("i4", 1, "i4", False), ("i4", 2, "i5", True)]


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 3, 0, 2]])
def test_rows_may_come_in_any_order(order):
    assert ended(ROWS.take(order), date(2026, 11, 20)).equals(ended(ROWS, date(2026, 11, 20)))


def test_two_decisions_at_one_moment_follow_one_another_by_id():
    found = ended(log(("i1", "1", MONDAY), ("i0", "1", MONDAY)), date(2026, 11, 18))
    assert told(found) == [("i0", 1, "i0", False), ("i0", 2, "i1", True)]


def test_no_decisions_are_no_trajectories():
    assert ended(ROWS.slice(0, 0), date(2026, 11, 20)).num_rows == 0


def table():
    """i0 -> i2 (terminal), as the table has it."""
    return ended(ROWS, date(2026, 11, 20), credited(i0=2.0, i2=0.5))


def test_transitions_have_states_arms_rewards_and_what_follows():
    found = transitions(table(), Encoder(("seen",), (None,)), ARMS)
    np.testing.assert_array_equal(found.states, [[1.0, 0.0], [1.0, 2.0]])
    np.testing.assert_array_equal(found.actions, [0, 0])
    np.testing.assert_array_equal(found.rewards, [2.0, 0.5])
    np.testing.assert_array_equal(found.next_states, [[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(found.next_eligible, [[True, True], [False, False]])
    np.testing.assert_array_equal(found.terminal, [False, True])


def test_arms_that_are_gone_teach_nothing_and_are_not_chosen_next():
    rows = table()
    assert transitions(rows, Encoder(("seen",), (None,)), ("b",)).rewards.size == 0
    at = rows.schema.get_field_index("next_eligible_arms")
    stuck = rows.set_column(at, "next_eligible_arms", pa.array([["gone"], None], pa.list_(pa.string())))
    np.testing.assert_array_equal(transitions(stuck, Encoder((), ()), ARMS).rewards, [0.5])


def test_a_sample_of_transitions_does_not_depend_on_their_order():
    many = log(*((f"i{n:03}", f"{n % 10}", MONDAY + n * HOUR) for n in range(40)))
    rows = ended(many, date(2026, 11, 19), how=Trajectories(2 * DAY, 10 * DAY))
    few = sampled(rows, 10, "shop")
    again = sampled(rows.take(np.arange(rows.num_rows)[::-1]), 10, "shop")
    assert sorted(few["impression_id"].to_pylist()) == sorted(again["impression_id"].to_pylist())
    assert few.num_rows == 10
    assert sampled(rows, 1000, "shop").num_rows == rows.num_rows


def test_decisions_of_trajectories_earn_less_what_their_arms_cost():
    how = Trajectories(gap=2 * DAY, longest=10 * DAY, costs={"b": 0.25})
    found = ended(ROWS, date(2026, 11, 18), credited(i1=1.0, i3=1.0), how)
    assert dict(zip(found["arm_id"].to_pylist(), found["reward"].to_pylist(), strict=True)) == {"b": 0.75}
    found = ended(ROWS, date(2026, 11, 23), credited(i1=1.0), how)
    assert found["reward"].to_pylist() == [-0.25]


def test_propensities_of_trajectories_are_given_the_issue():
    said = {
        "slot": [1] * 4,
        "propensity_kind": ["conditional"] * 4,
        "issue_probability": [0.5, 1.0, 0.8, 0.5],
    }
    rows = ROWS
    for name, values in said.items():
        rows = rows.append_column(name, pa.array(values, pa.int32() if name == "slot" else None))
    found = ended(rows, date(2026, 11, 20))
    assert found["propensity"].to_pylist() == [0.5 / 0.5, 0.5 / 0.8]
    assert found.schema == ended(ROWS, date(2026, 11, 20)).schema

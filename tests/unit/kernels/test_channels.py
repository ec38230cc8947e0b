"""Which channels reach whom, which arms are left of that, and what impressions say of it afterwards."""

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.kernels.channels import CHANNELS, open_channels
from nightslate.kernels.shown_candidates import with_candidates
from nightslate.programs.contacts import QuietTimes
from nightslate.programs.logs import Feature
from nightslate.programs.sends import Sends

DAY = date(2026, 3, 29)
"""On which clocks are turned in Berlin, from two to three."""
CONTEXT = [Feature(name=name, type="category") for name in ("mail", "text", "zone")]
ARMS = pa.table(
    {
        "arm_id": ["letter", "note", "nothing", "old"],
        "channel": pa.array(["email", "text", "none", None], pa.string()),
    }
)


def channels(quiet=None, arms=ARMS, nothing="none", **hours):
    of = {
        name: {"consent": f"{column} == yes", "hours": hours.get(name)}
        for name, column in (("email", "mail"), ("text", "text"))
    }
    said = {"channel": "channel", "channels": of, "zone": "zone", "nothing": nothing}
    sends = Sends.model_validate(said)
    return open_channels(sends, sends.consents(CONTEXT), quiet, DAY, arms)


def people(*rows):
    columns = list(zip(*rows, strict=True))
    named = zip(("mail", "text", "zone"), columns, strict=True)
    ids = [f"{number:032x}" for number in range(len(rows))]
    return pa.table({"user_id": ids, **{name: pa.array(each, pa.string()) for name, each in named}})


def test_consent_is_asked_of_each_channel_and_what_is_not_known_is_none():
    users = people(("yes", "no", None), ("yes", "yes", None), ("no", "no", None), (None, "yes", None))
    assert channels().bits(users).tolist() == [1, 3, 0, 2]
    assert channels().beside(users)[CHANNELS].to_pylist() == [1, 3, 2]


def test_an_arm_goes_to_whom_its_channel_reaches_and_one_that_sends_nothing_to_all_of_them():
    arms = ("letter", "note", "nothing", "old", "gone")
    of = {bits: [arms[place] for place in channels().places(bits, arms)] for bits in (1, 2, 3)}
    assert of == {1: ["letter", "nothing"], 2: ["note", "nothing"], 3: ["letter", "note", "nothing"]}
    without = channels(nothing=None)
    assert [arms[place] for place in without.places(3, arms)] == ["letter", "note"]


def test_a_channel_that_no_arm_goes_by_reaches_nobody():
    found = channels(arms=ARMS.slice(0, 1)).bits(people(("no", "yes", None), ("yes", "yes", None)))
    assert found.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("hours", "zone", "reached"),
    [
        ((9, 18), "Europe/Berlin", True),
        ((2, 3), "Europe/Berlin", False),  # an hour that there is not on this day
        ((0, 3), None, False),  # over by the time sends are ready
        ((0, 4), None, False),
        ((0, 5), None, True),
        ((0, 3), "America/Los_Angeles", True),
        ((20, 2), None, True),
    ],
)
def test_a_window_that_is_over_for_the_day_reaches_nobody(hours, zone, reached):
    assert channels(email=hours).bits(people(("yes", "no", zone))).tolist() == [int(reached)]


def test_quiet_times_of_contact_rules_leave_less_of_a_window():
    sunday = QuietTimes(zone="zone", days=("sunday",))
    users = people(("yes", "yes", None), ("yes", "yes", "Pacific/Kiritimati"))
    assert channels(quiet=sunday).bits(users).tolist() == [0, 3]  # where Monday begins at ten (UTC)
    late = QuietTimes(zone="zone", hours=(12, 6))
    found = channels(quiet=late, email=(11, 14), text=(13, 15)).channels
    times = {name: channel.times.of_zone(None) for name, channel in found.items()}
    assert [(a.hour, b.hour) for a, b in times["email"]] == [(11, 12)]
    assert times["text"] == ()


IDS = st.sampled_from("abcde")
LISTS = st.one_of(st.none(), st.lists(IDS, unique=True))


@given(
    st.lists(st.tuples(st.integers(0, 3), LISTS, st.booleans()), max_size=12),
    st.lists(LISTS, min_size=3, max_size=3),
)
def test_impressions_say_the_candidates_of_their_slates_of_those_that_they_say(shown, candidates):
    """Slate 3 is not known. By sets, one row at a time."""
    slates = pa.table(
        {
            "slate_id": [f"s{number}" for number in range(3)],
            "candidates": pa.array([each or [] for each in candidates], pa.list_(pa.string())),
        }
    )
    rows = pa.table(
        {
            "slate_id": pa.array([f"s{number}" for number, _, _ in shown], pa.string()),
            "eligible_arms": pa.array([said for _, said, _ in shown], pa.list_(pa.string())),
            "_reason": pa.array([None if good else "required" for _, _, good in shown], pa.string()),
        }
    )
    found = with_candidates(rows, slates)["eligible_arms"].to_pylist()
    for (number, said, good), arms in zip(shown, found, strict=True):
        if number == 3 or not good:
            assert arms == said
        else:
            assert arms == [arm for arm in candidates[number] or [] if said is None or arm in said]

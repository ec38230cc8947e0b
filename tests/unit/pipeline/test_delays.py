"""How late rewards come, as a night keeps it."""

from datetime import UTC, date, datetime

import pytest

from nightslate import programs
from nightslate.core.delay_differences import Part
from nightslate.core.maturity import DelaySums
from nightslate.kernels.maturity import Kinds, Maturity
from nightslate.kernels.rewards import Matured
from nightslate.pipeline.night import Night
from nightslate.pipeline.observed_delays import delays_found

DS = date(2026, 11, 16)
DAY_US = 86_400e6
PARTS = (
    Part(0, "all", None, 90.0, DAY_US, 0.5),
    Part(0, "arm", 0, 40.0, 2 * DAY_US, 0.25, 4.5, differs=True),
    Part(0, "arm", 1, 50.0, DAY_US, 0.5, -0.2),
)


@pytest.fixture
def night(tmp_path):
    return Night(programs.find("onboarding_401k"), DS, tmp_path).of_issue("all")


def sample(night, parts):
    rewards = night.issue.rewards
    kinds = Kinds({"task": rewards.longest_window}, datetime(2026, 11, 17, tzinfo=UTC), ("a", "b"))
    delays = DelaySums.zero(1, 3).delays(kinds.windows_us())
    maturity = Maturity(kinds, delays, rewards.min_seen, parts)
    return Matured(night.name, DS, kinds.known_at, maturity)


def test_the_table_holds_the_parts_and_a_person_is_told_which_kinds_differ(night):
    found = delays_found(night, sample(night, PARTS))
    assert found.words == ", delays of task differ (see the report)"
    table = night.table("delays")
    table.replace(DS, table.typed(found.tables["delays"]), night.commit_metadata)
    kept = night.rows("delays").sort_by("credits").to_pylist()
    assert [(row["issue"], row["part"], row["arm_id"]) for row in kept] == [
        ("all", "arm", "a"),
        ("all", "arm", "b"),
        ("all", "all", None),
    ]
    assert [(row["median_days"], row["later"], row["differs"]) for row in kept] == [
        (2.0, 4.5, True),
        (1.0, -0.2, False),
        (1.0, None, False),
    ]


def test_where_nothing_differs_nothing_is_said(night):
    assert delays_found(night, sample(night, PARTS[:1])).words == ""


def test_a_program_that_weights_no_young_impressions_has_none(night):
    found = delays_found(night, Matured("shop", DS, datetime(2026, 11, 17, tzinfo=UTC)))
    assert (found.metrics, found.words, found.tables) == ({}, "", {})

"""A night of a program that has no learner but a declared rule, of users unlike those in its logs."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from nightslate.models.files import scored_by
from nightslate.pipeline.night import IssueNight
from tests.integration.nights import DOCS, night_of, pseudonym, run_night

from . import world

DAY = world.DAYS[0]
AGES, SEGMENTS = (None, 0.0, 29.5, 30.0, 45.0), ("new", "old", "vip", None)
LINES = [
    {"when": "segment != new and not age < 30", "arms": "arm_id in [a, b]"},
    {"when": "segment == vip or age == 0", "arms": "arm_id == c"},
    {"when": "age >= 0", "arms": "arm_id == e"},
    {"when": "age >= 45", "arms": "arm_id != a"},
]


def known(user: int) -> dict[str, Any]:
    return {"segment": SEGMENTS[user % 4], "age": AGES[user % 5]}


def by_rule(segment: str | None, age: float | None) -> str:
    """The arms of the first line that holds and has some: nobody offers e."""
    if segment not in (None, "new") and age is not None and age >= 30:
        return "ab"
    if segment == "vip" or age == 0:
        return "c"
    return "bcd" if age is not None and age >= 45 else "abcd"


def night(home: Path) -> IssueNight:
    """By whose boundaries learners would not tell 30 from 45; the rule does."""
    spec = yaml.safe_load(world.SPEC)
    spec["logs"]["context"][1]["boundaries"] = [10.0, 35.5]
    spec["learners"] = {"todays_rule": {"kind": "rule", "choose": LINES}}
    spec["variants"] = {"rule": {"share": 1.0, "policy": "champion"}}
    spec["gate"]["first_champion"] = "todays_rule"
    return night_of(spec, home, DAY)


@pytest.fixture(scope="module")
def tonight(tmp_path_factory: pytest.TempPathFactory, program: None) -> tuple[IssueNight, dict[str, str]]:
    home = tmp_path_factory.mktemp("rules")
    world.land(home, DAY, world.impressions(0, DAY), world.outcomes(0, DAY))
    people = [{"user_id": f"user-{user}", **known(user)} for user in range(world.USERS)]
    world.write_json_lines(home / "landing" / world.PROGRAM / f"users/ds={DAY}/part-0.jsonl", people)
    return night(home), run_night(night(home), but=DOCS)


def test_everyone_gets_what_the_rule_says_of_the_values_themselves(
    tonight: tuple[IssueNight, dict[str, str]],
) -> None:
    """Of values that are missing, that no log has shown, and that learners would see as one."""
    slates = pl.read_delta(str(tonight[0].home / "tables" / world.PROGRAM / "slates"))
    by_user = {slate["user_id"]: slate for slate in slates.to_dicts()}
    assert len(by_user) == world.USERS
    for user in range(world.USERS):
        slate, chosen = by_user[pseudonym(f"user-{user}")], by_rule(**known(user))
        left = {arm: 0.8 * (arm in chosen) / len(chosen) + 0.2 / 4 for arm in world.ARMS}
        assert slate["weights"] == pytest.approx([left[arm] for arm in slate["candidates"]], abs=1e-7)
        for arm, propensity in zip(slate["ranking"], slate["propensities"], strict=True):
            assert propensity == pytest.approx(left[arm] / sum(left.values()), rel=1e-6)
            del left[arm]
    assert len({by_rule(**known(user)) for user in range(world.USERS)}) == 4


def test_a_line_that_is_about_no_arm_is_named(tonight: tuple[IssueNight, dict[str, str]]) -> None:
    said = tonight[1]["train"]
    assert f"Look: learners.todays_rule.choose.2.arms: no arm on offer on {DAY} is meant" in said
    assert said.count("Look") == 1
    assert f"{world.USERS} slates are sound" in tonight[1]["audit"]


def test_its_model_counts_rows_and_is_what_it_was_whatever_they_say(
    tonight: tuple[IssueNight, dict[str, str]],
) -> None:
    (row,) = tonight[0].table("models").rows(DAY, DAY).to_pylist()
    assert row["rows"] > 0
    model = scored_by(tonight[0].registry.load(row["digest"]))
    assert model.encoder.features == ("segment", "age")
    assert model.expected_rewards(pl.DataFrame([known(3)]).to_arrow()) is None

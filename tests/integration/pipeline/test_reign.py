"""What speaks for whom against the champion, from tables written by hand."""

from pathlib import Path

import numpy as np

from nightslate import programs
from nightslate.core.evidence import Stakes, Term
from nightslate.pipeline.champion_reigns import Reign
from nightslate.pipeline.night import IssueNight
from nightslate.programs.meaning import policy_settings

from . import world
from .by_hand import START, day, night, replaced

STAKES = Stakes(0.0, 1.0, max_units=1)
USERS = np.arange(400, dtype=np.uint64)


def said(of: IssueNight, name: str) -> str:
    return policy_settings(of.issue, name)


def against_champion(
    of: IssueNight, policy: str, settings: str | None, champion: str | None
) -> dict[str, object]:
    """Every user earned 1 with the policy and a half with the champion, whose settings are these."""
    term = Term.initial().update(
        STAKES, np.full(USERS.size, 1.5), np.ones(USERS.size), np.ones(USERS.size), USERS
    )
    return {
        "issue": "all", "about": "difference", "policy": policy, "reference": "uniform", "fitted_on": START,
        "policy_settings": settings, "reference_settings": champion,
        "reward_low": 0.0, "reward_high": 1.0, "margin": 0.0, "max_units": 1, "users": term.users,
        "units": term.units, "left_out": 0, "clipped": 0, "total": term.total,
        "log_growth": term.log_growth.tolist(),
    }  # fmt: skip


def reign(
    home: Path,
    settings: str | None = None,
    champion: str | None = None,
    meant: dict[str, str] | None = None,
) -> Reign:
    """On the fifth night; on the first two days popularity, the champion or rewards were set otherwise."""
    for number in range(4):
        of = night(home, number)
        mine, theirs = said(of, "popularity"), said(of, "uniform")
        if number < 2:
            mine, theirs = settings or mine, champion or theirs
        rows = [against_champion(of, "popularity", mine, theirs)]
        if number:
            rows.append(against_champion(of, "linear_thompson", said(of, "linear_thompson"), theirs))
        replaced(of, "evidence", day(number), rows, meant if number < 2 else None)
    tonight = night(home, 4)
    return Reign.as_of(tonight, tonight.table("promotions"), tonight.table("evidence"))


def heard(reign: Reign, name: str) -> int:
    return len(reign.cases()[name].evidence.stakes)


def test_who_joined_first_comes_first_and_all_days_speak(tmp_path: Path) -> None:
    found = reign(tmp_path)
    assert found.joined == {"popularity": 1, "linear_thompson": 2}
    assert (heard(found, "popularity"), heard(found, "linear_thompson")) == (4, 3)


def test_a_challenger_under_other_settings_is_another_one_that_joins_anew(tmp_path: Path) -> None:
    found = reign(tmp_path, settings='{"floor": 0.2, "kind": "popularity", "prior_strength": 1e9}')
    assert heard(found, "popularity") == 2
    assert found.joined == {"popularity": 3, "linear_thompson": 2}, "what it was keeps its place"
    assert found.cases()["popularity"].joined == 3


def test_against_a_champion_under_other_settings_everybody_joins_anew(tmp_path: Path) -> None:
    found = reign(tmp_path, champion='{"floor": 0.9, "kind": "uniform"}')
    assert (heard(found, "popularity"), heard(found, "linear_thompson")) == (2, 2)
    assert found.joined == {"popularity": 4, "linear_thompson": 3}


def test_under_other_rewards_everybody_joins_anew(tmp_path: Path) -> None:
    """Else who lost would have the alpha of a first challenger again with every edit."""
    found = reign(tmp_path, meant={"rewards.values.click": "7.0"})
    assert (heard(found, "popularity"), heard(found, "linear_thompson")) == (2, 2)
    assert found.joined == {"popularity": 4, "linear_thompson": 3}


def test_settings_are_those_that_differ_from_defaults(tmp_path: Path) -> None:
    issue = programs.find(world.PROGRAM).only_issue
    assert policy_settings(issue, "uniform") == '{"floor": 0.2, "kind": "uniform"}'
    assert (
        policy_settings(issue, "linear_thompson") == '{"draws": 32, "floor": 0.2, "kind": "linear_thompson"}'
    )

"""Of assignments nights of a rollout read those alone that say anything new, which changes no figure."""

from pathlib import Path
from typing import Any

import pytest

from nightslate.engines import Input
from nightslate.kernels.named_states import MomentsByName, in_order
from nightslate.pipeline import effect_inputs
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from nightslate.pipeline.steps import readout
from tests.integration.nights import pseudonym

from . import rollout

USERS = tuple(f"user-{number:03d}" for number in range(420))
THERE = (360, 360, 400, 400, 420)
"""So many of them, by night."""
LAST = len(THERE) - 1
READ_BY = {
    "effects": ("effect_models", "scores"),
    "readout": ("readouts", "sample_ratios", "readout_decisions"),
}


def night(home: Path, number: int) -> IssueNight:
    return rollout.night(home, number, least_move=0.1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who come on some days, and of whom scores move some on two nights."""
    home, variants = tmp_path_factory.mktemp("rollout"), dict[str, str]()
    raw = {pseudonym(user): user for user in USERS}
    for number, many in enumerate(THERE):
        there = USERS[:many]
        rollout.land(home, number, there, variants)
        tonight = night(home, number)
        run_step("ingest", tonight)
        if number in (1, 2):
            rollout.score(tonight, dict.fromkeys(there[::3], 2.0 - number))
        for step in ("allocate", "assign"):
            run_step(step, tonight)
        of_day = rollout.rows(home, "assignments").filter(slate_date=tonight.slate_date)
        variants = {raw[user]: variant for user, variant in of_day.select("user_id", "variant").iter_rows()}
    return home


def figures(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What the last night writes, and the weights that its readout looks at."""
    tonight, found = night(home, LAST), dict[str, list[Any]]()

    def kept(stays: MomentsByName) -> list[str]:
        found["stays"] = [(place, repr(each.arrays())) for place, each in in_order(stays.states)]
        return []

    monkeypatch.setattr(readout, "unlikely_stays", kept)
    for step, tables in READ_BY.items():
        run_step(step, tonight)
        found |= {name: sorted(rollout.rows(home, name).rows(), key=repr) for name in tables}
    return found


def test_figures_are_those_of_all_assignments(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(home, monkeypatch)
    assert len(found["scores"]) > len(USERS)  # of the last night all
    assert len(found["readouts"]) > 20
    assert [column for (_, column, _), _ in found["stays"]] == ["moved_towards", None] * 2
    monkeypatch.setattr(Input, "where", lambda self, _: self)
    monkeypatch.setattr(effect_inputs, "_the_day_before", lambda known, _: known.of_users_in("assignments"))
    assert figures(home, monkeypatch) == found


def test_rows_that_say_nothing_new_are_the_last_of_their_file(home: Path) -> None:
    snapshot = night(home, LAST).table("assignments").snapshot()
    for file in snapshot.files(snapshot.days()[-1]):
        rows = snapshot.rows_of(file)
        settled = [row["since"] < file.day and row["probability"] == 1 for row in rows.to_pylist()]
        users = [(last, user) for last, user in zip(settled, rows["user_id"].to_pylist(), strict=True)]
        assert users == sorted(users)
        assert 20 < sum(settled) < len(settled) - 5

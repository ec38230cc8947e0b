"""Days that are older than the program keeps them go, whichever night says so, and nothing else does."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightslate import programs
from nightslate.errors import LandingError, SpecError
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.pipeline.steps import retain
from nightslate.tables.rewriting import RETENTION

from . import world

FIRST, SECOND, THIRD = world.DAYS
KEPT = {"tables": {"impressions": "70d", "slates": "70d", "quarantine": "1d"}, "landing": {"users": "69d"}}


def night(home: Path, days_after_the_first: int) -> Night:
    spec = yaml.safe_load(world.SPEC) | {"retention": KEPT}
    path = home / f"{world.PROGRAM}.yaml"
    path.write_text(yaml.safe_dump(spec))
    return Night(programs.load(path), FIRST + timedelta(days=days_after_the_first), home)


@pytest.fixture
def home(copied: Callable[[], Path]) -> Path:
    return copied()


def test_a_night_removes_what_is_older_than_that_from_its_own_day(home: Path) -> None:
    before = world.rows(home)
    at = night(home, 70)
    impressions = at.table("impressions")
    said = impressions.snapshot().metadata(FIRST)

    done = run_step("retain", at)

    assert "impressions: 1 days emptied, 0 files of older versions removed" in done
    assert impressions.snapshot().days() == [SECOND, THIRD]
    assert impressions.snapshot().metadata(FIRST) == {**said, RETENTION: f"70d as of {at.ds}"}
    after = world.rows(home)
    assert after["impressions"] == [row for row in before["impressions"] if repr(FIRST) not in row]
    # Slates lie by the day after: those of the first night are as old as the impressions of the second.
    assert {**after, "impressions": []} == {**before, "impressions": []}
    assert "landing users: 2 days removed" in done
    landing = home / "landing/tiny/users"
    assert sorted(path.name for path in (landing / f"ds={SECOND}").iterdir()) == ["_EXPIRED"]
    assert (landing / f"ds={THIRD}/_SUCCESS").is_file()
    assert "0 days emptied" in run_step("retain", at)


def test_a_backfill_of_an_old_night_takes_nothing_away_that_its_own_time_had_kept(home: Path) -> None:
    before = world.rows(home)
    for days in (0, 2, 68):
        done = run_step("retain", night(home, days))
        assert "impressions: 0 days emptied" in done
    assert world.rows(home) == before
    assert (home / f"landing/tiny/users/ds={FIRST}/_SUCCESS").is_file()


def test_a_night_that_goes_back_to_what_is_gone_is_refused_by_name(home: Path) -> None:
    run_step("retain", night(home, 70))
    before = world.rows(home)
    with pytest.raises(SpecError, match="goes back to 1 days of impressions from 2024-03-01 to 2024-03-01"):
        run_step("ingest", night(home, 2))
    with pytest.raises(LandingError, match="users of 2024-03-01: its landing files were removed by ret"):
        run_step("ingest", night(home, 0))
    assert world.rows(home) == before


def test_what_no_night_has_taken_in_is_kept(landed: Path) -> None:
    done = run_step("retain", night(landed, 90))
    assert "landing users: 0 days removed; 3 that no night has taken in are kept" in done
    assert (landed / f"landing/tiny/users/ds={FIRST}/_SUCCESS").is_file()


def test_killed_midway_and_run_again_it_is_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, replace_files, expire, calls = night(home, 80), retain.replace_files, retain.expire, []

    def killed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            done = real(*given, **named)
            calls.append(real)
            if len(calls) in (2, 4):
                raise KeyboardInterrupt
            return done

        return call

    monkeypatch.setattr(retain, "replace_files", killed(replace_files))
    monkeypatch.setattr(retain, "expire", killed(expire))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_step("retain", at)
    run_step("retain", at)
    assert at.table("impressions").snapshot().days() == []
    assert at.table("slates").snapshot().days() == []
    assert {*at.table("impressions").snapshot().written()} == {*world.DAYS}
    assert not list((home / "landing/tiny/users").rglob("_SUCCESS"))

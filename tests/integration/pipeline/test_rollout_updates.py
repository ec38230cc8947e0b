"""Between nights: what somebody stops and what lands of signals moves users of the day at once."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightslate.errors import SpecError
from nightslate.pipeline import reallocating, updating
from nightslate.pipeline.running import run_step
from nightslate.pipeline.stopping import stop
from nightslate.programs.updates import Updates

from . import rollout

NOON = datetime(2024, 3, 2, 12, tzinfo=UTC)
OUTAGE = {"name": "outage", "region": "north"}


def played(home: Path, number: int = 0) -> None:
    rollout.land(home, number)
    for step in ("ingest", "allocate", "assign"):
        run_step(step, rollout.night(home, number))


def control(home: Path) -> pl.DataFrame:
    """Of the treatment, what was allowed last."""
    return rollout.rows(home, "rollouts").filter(variant="treatment").sort("slate_date", "region")


def test_a_stop_is_honoured_at_once_and_the_morning_stays_on_record(tmp_path: Path) -> None:
    played(tmp_path)
    morning = rollout.assigned(tmp_path, 0)
    said = stop(rollout.night(tmp_path), "treatment", "anna", "payments fail", NOON)
    after = rollout.assigned(tmp_path, 0)
    assert "published" in said
    assert (after["variant"] == "control").all()
    assert after["morning_variant"].to_list() == morning["variant"].to_list()
    assert after["morning_probabilities"].to_list() == morning["probabilities"].to_list()
    moved = (morning["variant"] == "treatment").to_numpy()
    assert set(after.filter(pl.Series(moved))["reason"]) == {"moved"}
    np.testing.assert_allclose(
        after["probability"].to_numpy(), 1.0
    )  # who had it must leave, others must stay
    np.testing.assert_allclose(
        after["path_probability"].to_numpy(), morning["path_probability"].to_numpy(), rtol=1e-12
    )
    assert control(tmp_path)["cause"].to_list() == ["stop"]
    assert control(tmp_path)["update"].to_list() == [1]


def test_what_is_stopped_stays_so_on_the_nights_after_and_comes_back_by_the_range(tmp_path: Path) -> None:
    played(tmp_path)
    stop(rollout.night(tmp_path), None, "anna", "payments fail", NOON)
    played(tmp_path, 1)
    assert (rollout.assigned(tmp_path, 1)["variant"] == "control").all()
    stop(rollout.night(tmp_path), None, "anna", "mended", NOON + timedelta(days=1), run_again=True)
    for number in (2, 3):
        played(tmp_path, number)
    plain = np.array(rollout.people()["beta"].to_pylist()) == "no"
    nights = [rollout.assigned(tmp_path, number)["shares"].to_list() for number in (2, 3)]
    np.testing.assert_allclose([np.array(shares)[plain][0, 1] for shares in nights], [0.3, 0.5])


def test_a_signal_that_lands_within_the_day_is_heeded_by_the_next_update_once(tmp_path: Path) -> None:
    played(tmp_path)
    before = rollout.assigned(tmp_path, 0)
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 1}])
    today = rollout.night(tmp_path, 1)
    reallocating.run(today, NOON + timedelta(hours=1))
    reduced = rollout.assigned(tmp_path, 0)
    people = rollout.people()
    north = np.array(people["region"].to_pylist()) == "north"
    was, now = (np.array(each["shares"].to_list())[:, 1] for each in (before, reduced))
    np.testing.assert_allclose(now, np.where(north, np.maximum(was / 2, was - 0.3), was))  # within the range
    assert (before["variant"] == reduced["variant"]).to_numpy()[~north].all()
    assert "nothing" in reallocating.run(today, NOON + timedelta(hours=2))
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 1}, {**OUTAGE, "severity": 3, "hours": 2}])
    reallocating.run(today, NOON + timedelta(hours=3))
    stopped = rollout.assigned(tmp_path, 0)
    assert (stopped["variant"].to_numpy()[north] == "control").all()
    assert stopped["morning_variant"].to_list() == before["variant"].to_list()
    assert control(tmp_path).filter(region="north")["update"].to_list() == [2]


def test_an_update_that_is_over_before_or_has_not_begun_does_nothing(tmp_path: Path) -> None:
    played(tmp_path)
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 3}])
    today = rollout.night(tmp_path, 1)
    assert "nothing" in reallocating.run(today, NOON - timedelta(hours=1))  # it begins at noon
    assert "waits" in reallocating.run(rollout.night(tmp_path, 5), NOON)


def test_an_update_killed_between_its_commits_is_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path)
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 1}])
    today = rollout.night(tmp_path, 1)

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(reallocating, "publish_sound", killed)
    with pytest.raises(KeyboardInterrupt):
        reallocating.run(today, NOON + timedelta(hours=1))
    monkeypatch.undo()
    reallocating.run(today, NOON + timedelta(hours=2))
    assert "nothing" in reallocating.run(today, NOON + timedelta(hours=3))
    plain = np.array(rollout.people()["beta"].to_pylist()) == "no"
    north = np.array(rollout.people()["region"].to_pylist()) == "north"
    shares = np.array(rollout.assigned(tmp_path, 0)["shares"].to_list())
    assert set(shares[plain & north, 1]) == {0.25}
    assert control(tmp_path).filter(region="north")["factor"].to_list() == [0.5]


def test_a_stop_killed_before_it_moved_anybody_is_said_again_and_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path)
    decided = "treatment", "anna", "payments fail", NOON

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(reallocating, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        stop(rollout.night(tmp_path), *decided)
    monkeypatch.undo()
    assert "published" in stop(rollout.night(tmp_path), *decided)
    assert "nothing has been stopped since" in stop(rollout.night(tmp_path), *decided)
    assert rollout.rows(tmp_path, "stops").height == 1
    assert (rollout.assigned(tmp_path, 0)["variant"] == "control").all()


def test_an_update_tells_what_it_does_not_heed(tmp_path: Path) -> None:
    """Rows that break the contract, whole files that do, and files that somebody may be writing still."""
    played(tmp_path)
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 1}])
    today = rollout.night(tmp_path, 1)
    folder = tmp_path / "landing" / rollout.PROGRAM / "signals" / f"ds={today.ds}"
    row = {"name": "outage", "starts_at": "2024-03-02T00:00:00Z", "expires_at": "2024-03-03T00:00:00Z"}
    bad = [{**row, "severity": -1}, {**row, "severity": 2, "starts_at": "noon"}, {**row, "severity": -2}]
    (folder / "bad.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in bad))
    (folder / "empty.csv").write_text("")
    said = reallocating.run(today, NOON + timedelta(hours=1))
    assert "240 assignments of 2024-03-02 published" in said
    assert (
        "; WARNING: 3 rows and 1 files of signals break the contract: severity >= 0 (2 of bad.jsonl); "
        in said
    )
    assert "starts_at is timestamp (1 of bad.jsonl)" in said
    assert "an empty file: a CSV file starts with a header (all of empty.csv)" in said
    (folder / "_SUCCESS").unlink()
    (folder / "half.jsonl").write_text(json.dumps({**row, "severity": 3}))
    said = reallocating.run(today, NOON + timedelta(hours=2))
    assert said.startswith("nothing has been stopped since")
    assert said.endswith("; 1 files wait until they are whole")


def test_a_day_that_is_history_is_not_updated(tmp_path: Path) -> None:
    for number in (0, 1):
        played(tmp_path, number)
    rollout.land(tmp_path, 1, signals=[{**OUTAGE, "severity": 3}])
    before = rollout.assigned(tmp_path, 0)
    yesterday = rollout.night(tmp_path, 1)
    updated = yesterday.program.model_copy(update={"updates": Updates(every="15m")})
    with pytest.raises(SpecError, match="2024-03-02 is history: the night of 2024-03-02 has run"):
        updating.run(replace(yesterday, program=updated))
    assert rollout.assigned(tmp_path, 0).equals(before)


def test_what_can_t_be_stopped_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'nobody' is no treatment of checkout"):
        stop(rollout.night(tmp_path), "nobody", "anna", "why not", NOON)
    with pytest.raises(SpecError, match="lacks the key `updates`"):
        updating.run(rollout.night(tmp_path))


def test_a_readout_goes_by_what_the_night_drew(tmp_path: Path) -> None:
    """All are in the control by the time that the day is over, and half of them were shown the treatment."""
    played(tmp_path)
    drawn = dict(rollout.assigned(tmp_path, 0).select("raw", "variant").iter_rows())
    stop(rollout.night(tmp_path), "treatment", "anna", "payments fail", NOON)
    rollout.land(tmp_path, 1, variants=drawn)
    for number in (1, 2, 3):
        if number > 1:
            rollout.land(tmp_path, number)
        for step in ("ingest", "readout", "allocate", "assign"):
            run_step(step, rollout.night(tmp_path, number))
    found = rollout.rows(tmp_path, "readouts").filter(metric="bought", scope="assigned", method="difference")
    counts = found.filter(
        (pl.col("period") == "cumulative") & (pl.col("ds") == rollout.START + timedelta(days=3))
    )
    expected = pl.Series(list(drawn.values())).value_counts()
    assert dict(counts.select("variant", "n").iter_rows()) == dict(expected.iter_rows())

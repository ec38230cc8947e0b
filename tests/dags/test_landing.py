"""The wait for a day's logs: at once when they are there, by name when they are not."""

import asyncio
import time
from pathlib import Path

import pytest
from airflow.sdk.exceptions import TaskDeferred

from nightslate.orchestration.failures import StepFailedError
from nightslate.orchestration.landing import LandingSensor, LandingTrigger, marker

LOGS = ("impressions", "outcomes")
DS = "2019-11-24"


@pytest.fixture(autouse=True)
def _warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path))


def land(log: str) -> None:
    path = marker("shop", log, DS)
    path.parent.mkdir(parents=True)
    path.touch()


def sensor() -> LandingSensor:
    return LandingSensor(
        task_id="landing", program="shop", logs=LOGS, ds=DS, timeout_minutes="0.5", poll_seconds=0.05
    )


def trigger(seconds: float) -> LandingTrigger:
    markers = {log: str(marker("shop", log, DS)) for log in LOGS}
    return LandingTrigger(markers, time.time() + seconds, poll_seconds=0.05)


async def fire(waiting: LandingTrigger) -> float:
    """Seconds until the trigger fires."""
    begun = time.monotonic()
    async for _ in waiting.run():
        return time.monotonic() - begun
    raise AssertionError("the trigger ended without firing")


def test_a_day_that_is_there_never_defers() -> None:
    for log in LOGS:
        land(log)

    assert sensor().execute({}) is None


def test_a_day_that_is_not_there_defers_until_its_deadline() -> None:
    land("impressions")

    with pytest.raises(TaskDeferred) as deferred:
        sensor().execute({})

    waiting = deferred.value.trigger
    assert isinstance(waiting, LandingTrigger)
    assert waiting.deadline == pytest.approx(time.time() + 30, abs=5)
    assert deferred.value.method_name == "fail_if_missing"


def test_the_trigger_fires_when_the_last_marker_lands() -> None:
    land("impressions")

    async def land_later() -> float:
        waiting = asyncio.create_task(fire(trigger(seconds=20)))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        land("outcomes")
        return await waiting

    assert 0.3 <= asyncio.run(land_later()) < 5


def test_the_trigger_gives_up_at_its_deadline() -> None:
    assert 0.2 <= asyncio.run(fire(trigger(seconds=0.25))) < 5


def test_a_restarted_triggerer_rebuilds_the_same_trigger() -> None:
    path, arguments = trigger(seconds=60).serialize()

    assert path == "nightslate.orchestration.landing.LandingTrigger"
    assert LandingTrigger(**arguments).serialize() == (path, arguments)


def test_after_the_wait_it_fails_by_name_and_exact_path() -> None:
    land("impressions")

    with pytest.raises(StepFailedError) as failed:
        sensor().fail_if_missing({}, event="look")

    message = str(failed.value)
    assert str(marker("shop", "outcomes", DS)) in message
    assert "no marker for outcomes after 0.5 minutes" in message
    assert str(marker("shop", "impressions", DS)) not in message


def test_after_the_wait_a_complete_day_goes_on() -> None:
    for log in LOGS:
        land(log)

    assert sensor().fail_if_missing({}, event="look") is None

"""Waiting for the logs of a day without holding a worker: a look at once, then a trigger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.triggers.base import BaseTrigger, TriggerEvent

from nightslate import settings
from nightslate.orchestration.failures import StepFailedError
from nightslate.programs.logs import LANDED


def marker(program: str, log: str, ds: str) -> Path:
    """The file that says: the log of this day is complete."""
    return settings.home() / "landing" / program / log / f"ds={ds}" / LANDED


def missing_markers(markers: Mapping[str, str]) -> dict[str, str]:
    """Of `{log: path of its marker}`, those whose marker isn't there."""
    return {log: path for log, path in markers.items() if not Path(path).is_file()}


class LandingTrigger(BaseTrigger):
    """Fires when every marker is there or the deadline has passed, whichever comes first.

    `deadline` is a point in time (seconds since the epoch), so a restarted triggerer doesn't wait anew.
    """

    def __init__(self, markers: dict[str, str], deadline: float, poll_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.markers = markers
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"markers": self.markers, "deadline": self.deadline, "poll_seconds": self.poll_seconds}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while await asyncio.to_thread(missing_markers, self.markers) and time.time() < self.deadline:
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent("look")  # type: ignore[no-untyped-call]


class LandingSensor(BaseOperator):
    """Waits for the _SUCCESS marker of each log of the day, up to `timeout_minutes`, then fails by name.

    It looks once before it defers: a backfill over days that are there never waits for the triggerer.
    """

    template_fields: Sequence[str] = ("ds", "timeout_minutes")

    def __init__(
        self,
        *,
        program: str,
        logs: Sequence[str],
        ds: str,
        timeout_minutes: str | float,
        poll_seconds: float = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.program = program
        self.logs = tuple(logs)
        self.ds = ds
        self.timeout_minutes = timeout_minutes
        self.poll_seconds = poll_seconds

    def execute(self, context: Context) -> None:  # noqa: ARG002 (Airflow calls it so)
        missing = missing_markers(self._markers())
        if not missing:
            return
        self.log.info("Not there yet: %s", ", ".join(missing.values()))
        deadline = time.time() + 60 * float(self.timeout_minutes)
        self.defer(
            trigger=LandingTrigger(self._markers(), deadline, self.poll_seconds),
            method_name="fail_if_missing",
        )

    def fail_if_missing(self, context: Context, event: object = None) -> None:  # noqa: ARG002 (likewise)
        """Called when the trigger has fired: either everything is there now, or the wait is over."""
        missing = missing_markers(self._markers())
        if missing:
            raise StepFailedError(
                f"{self.program}, {self.ds}: no marker for {', '.join(missing)} after"
                f" {float(self.timeout_minutes):g} minutes. Expected {', '.join(missing.values())}."
                f" Land the files, then write an empty {LANDED} beside them (a day without rows needs"
                " the marker alone), then clear this task."
            )

    def _markers(self) -> dict[str, str]:
        return {log: str(marker(self.program, log, self.ds)) for log in self.logs}

"""A day that is not over, as updates between nights see it: its rows lie apart from those of nights, and go
with the first update of a later day."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Tables, Work
from nightslate.errors import SpecError
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_states import DaysBefore
from nightslate.pipeline.landing_files import landed_files
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import Night
from nightslate.pipeline.open_day_files import LandedSoFar, landed_so_far, queue_is_past
from nightslate.pipeline.steps import attribute, features, ingest
from nightslate.pipeline.user_consents import open_night
from nightslate.programs.days import end_of
from nightslate.records.instants import INSTANT
from nightslate.tables import Table, Warehouse
from nightslate.tables.open_day import with_open_day

_HOUR = timedelta(hours=1)
_NEWEST = pa.schema([("newest", INSTANT)])
_LOGS = ("impressions", "outcomes", "arms")
"""Those that rewards come from."""


@dataclass(frozen=True)
class OpenDay:
    """The day of a night that has not run. `home`: where its rows and states lie."""

    night: Night
    landed: LandedSoFar

    @classmethod
    def of(cls, night: Night) -> OpenDay:
        """What has landed of the day."""
        features, consents = _computes_features(night), bool(night.program.consents)
        logs = (*_LOGS, *(("activity",) if features else ()), *(("users",) if consents else ()))
        landed = landed_so_far(night, logs)
        heeding, _ = open_night(night, landed.files.get("users", []))  # `take_in` tells what is rejected
        return cls(heeding, landed)

    @property
    def home(self) -> Path:
        return self._updates / f"ds={self.night.ds}"

    @property
    def has_slates(self) -> bool:
        """Whether the night before is over: its slates are those of the day."""
        return self.night.ds in self.night.table("slates").snapshot().written()

    def clear_before(self) -> None:
        """Remove what updates of earlier days have left."""
        for folder in self._updates.glob("ds=*"):
            if folder.name < self.home.name:
                shutil.rmtree(folder, ignore_errors=True)

    def table(self, name: str, issue: str | None = None) -> Table:
        """A table with the rows of the day, which nights do not see; of one issue, or of all."""
        own = Warehouse(self.home).table(self.night.name, self.night.contract(name))
        found = with_open_day(self.night.table(name), own, self.night.ds)
        return found if issue is None else found.of_issue(issue)

    def logs(self, issue: str) -> LogTables:
        """The tables that the learners of an issue learn from."""
        names = ("impressions", "features", "features_of_arms", "credits", "transitions")
        return LogTables(**{name: self.table(name, issue) for name in names})

    def take_in(self) -> str:
        """Check what has landed so far, row by row, and attribute its outcomes, as the night will. Arms are
        those of the day before until some of the day have landed."""
        night, tables = self.night, {name: self.table(name) for name in self.night.program.logs.names}
        files = {name: self.landed.files.get(name, []) for name in tables}
        if not files["arms"]:
            files["arms"] = landed_files(night.at(night.ds - timedelta(days=1)), "arms")
        done = ingest.ingest_files(night, tables, files, self.table("quarantine"), night.table("slates"))
        made = {name: self.table(name) for name in ("arms", "credits", "unattributed")}
        attribute.attribute_day(
            night, attribute.AttributionTables(tables["outcomes"], tables["impressions"], **made)
        )
        if _computes_features(night):
            logs = {**tables, "credits": self.table("credits")}
            before = DaysBefore.of(night, logs, self.table("feature_states"))
            users, arms = tables["users"], tables["arms"]
            features.write_users(night, logs, users, arms, before, self.table("features"))
        return done

    def known_until(self) -> datetime:
        """Up to when outcomes are known, in whole hours: so long before the newest one as others may be late,
        or, of a queue, before the newest of the slowest partition; the end of the day once all have
        landed."""
        night = self.night
        begins, ends = end_of(night.ds - timedelta(days=1)), end_of(night.ds)
        if "outcomes" in self.landed.closed:
            return ends
        lateness = night.program.updates.lateness if night.program.updates else timedelta(0)
        read = bucket_input(night, self.table("outcomes"), ("occurred_at",), night.ds)

        def newest(tables: Tables) -> pa.Table:
            return pa.table({"newest": [pc.max(tables["outcomes"]["occurred_at"]).as_py()]}, _NEWEST)

        found = night.engine.map(newest, Work({"outcomes": read}, night.program.buckets))
        last: datetime | None = pc.max(found["newest"]).as_py()
        if last is None:
            return begins
        hours = (min(last, queue_is_past(night, "outcomes") or last) - lateness - begins) // _HOUR
        return begins + max(0, hours) * _HOUR

    @property
    def _updates(self) -> Path:
        return self.night.home / "updates" / self.night.name


def _computes_features(night: Night) -> bool:
    """Whether decisions of the day have features of their own; else they are those of the day before."""
    return bool(night.program.features) and night.program.features_as_of == "temporal"


def newest_night(night: Night) -> date | None:
    """The newest night of the program that has fitted models for all of its issues; of one that allocates,
    that has said what variants may have."""
    table, ahead = ("rollouts", 1) if night.program.allocates else ("models", 0)
    days = [each.table(table).snapshot().days() for each in night.issues]
    return min(found[-1] for found in days) - timedelta(days=ahead) if all(days) else None


def require_open(night: Night) -> None:
    """Raise SpecError unless the night before is the newest one."""
    newest, name = newest_night(night), night.name
    if newest is None:
        raise SpecError(
            f"no night of {name} has run, and updates go on from one: run the night before {night.ds}"
        )
    if night.ds <= newest:
        raise SpecError(
            f"{name} {night.ds} is history: the night of {newest} has run, and updates change nothing that it"
            f" has read. The day that is open is {newest + timedelta(days=1)}"
        )
    if night.ds > newest + timedelta(days=1):
        raise SpecError(
            f"{name} {night.ds} can't be updated: the newest night is that of {newest}, and the days between"
            f" are not closed. Run their nights first, or update {newest + timedelta(days=1)}"
        )

"""Which days before it a night reads merged: those that each of its windows holds whole or not at all, and of
which all was known in time. Of the others it reads the rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Self

import pyarrow.parquet as pq

from nightslate.engines import Input, Work
from nightslate.kernels.feature_states import COLUMNS, MergedDay
from nightslate.kernels.features import KNOWN
from nightslate.kernels.user_features import columns_read
from nightslate.pipeline.bucket_inputs import bucket_input, files_input
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import outdated, with_meaning
from nightslate.programs.days import end_of
from nightslate.programs.feature_states import states_of, that_merge
from nightslate.programs.features import Aggregate, by_source, first_day_of, of_users
from nightslate.tables import Commit, Snapshot, Staged, Table

STATES = "feature_states"
_MADE_OF, _KNOWN_UNTIL = "nightslate.made_of", "nightslate.known_until"
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DaysBefore:
    """Days before a night that all of its windows hold whole or not at all. merging: the features that states
    of them are enough for; logs: those that these are of; states: the table feature_states."""

    night: Night
    merging: tuple[Aggregate, ...]
    logs: Mapping[str, Table]
    states: Table

    @classmethod
    def of(cls, night: Night, logs: Mapping[str, Table], states: Table) -> Self:
        merging = that_merge(of_users(night.program.features))
        return cls(night, merging, {source: logs[source] for source in by_source(merging)}, states)

    def merge(self) -> None:
        """Merges those that nobody has merged yet, or not as their logs and the program are by now."""
        landed = {day for log in self._snapshots.values() for day in log.days()}
        for day in sorted(landed.intersection(self._whole) - self._current().keys()):
            self._merge(self.night.at(day))

    def merged(self) -> frozenset[date]:
        """Those that are read merged: where that is less to read, and all that happened was known before the
        first moment that features are wanted of."""
        rows, merged = _rows_by_day(self._snapshots.values()), _rows_by_day([self.states.snapshot()])
        return frozenset(
            day
            for day, commit in self._current().items()
            if day in self._whole
            and datetime.fromisoformat(commit.metadata[_KNOWN_UNTIL]) <= self._first_moment
            and merged[day] < rows[day]
        )

    def states_input(self, days: frozenset[date]) -> Input:
        """What is kept of some that are merged."""
        files = [file for file in self.states.snapshot().files() if file.day in days]
        return files_input(self.states, files, COLUMNS).coded(["of"])

    def _merge(self, night: Night) -> None:
        """One partition: a pure function of the logs of ds."""
        inputs = {
            source: bucket_input(night, self.logs[source], columns_read(source, of_log), night.ds)
            for source, of_log in by_source(self.merging).items()
        }
        merged = MergedDay(states_of(self.merging))
        work = Work(inputs, night.program.buckets)
        attempts = {STATES: self.states.begin(night.ds)}
        staged = night.engine.write(lambda tables: {STATES: merged(tables)}, work, attempts)[STATES]
        about = {_MADE_OF: self._made_of(night.ds), _KNOWN_UNTIL: _known_until(staged).isoformat()}
        self.states.publish(staged, {**with_meaning(night, STATES), **about})

    def _current(self) -> dict[date, Commit]:
        """The days that are merged as their logs and the program are now."""
        written = self.states.snapshot().written()
        stale = outdated(self.night, STATES, written)
        return {
            day: commit
            for day, commit in written.items()
            if commit and day not in stale and commit.metadata.get(_MADE_OF) == self._made_of(day)
        }

    def _made_of(self, day: date) -> str:
        """Which attempts at the day its logs have."""
        commits = {source: written.get(day) for source, written in self._written.items()}
        return json.dumps({source: commit and commit.attempt for source, commit in commits.items()})

    @cached_property
    def _snapshots(self) -> dict[str, Snapshot]:
        return {source: table.snapshot() for source, table in self.logs.items()}

    @cached_property
    def _written(self) -> dict[str, dict[date, Commit | None]]:
        return {source: snapshot.written() for source, snapshot in self._snapshots.items()}

    @cached_property
    def _whole(self) -> frozenset[date]:
        """Those that no window cuts, whichever moment of the night it ends with."""
        if not self.merging:
            return frozenset()
        ds, last_moment = self.night.ds, end_of(self.night.ds)
        days = (
            ds - timedelta(days=back) for back in range(1, (ds - first_day_of(ds, self.merging)).days + 1)
        )
        windows = {each.window for each in self.merging if each.window}
        return frozenset(
            day
            for day in days
            if not any(
                end_of(day) > self._first_moment - window and end_of(day - _ONE_DAY) < last_moment - window
                for window in windows
            )
        )

    @property
    def _first_moment(self) -> datetime:
        """That features are wanted of."""
        of_decisions = self.night.program.features_as_of == "temporal"
        return end_of(self.night.ds - _ONE_DAY if of_decisions else self.night.ds)


def _rows_by_day(snapshots: Iterable[Snapshot]) -> Counter[date]:
    rows = Counter[date]()
    for file in (file for snapshot in snapshots for file in snapshot.files()):
        rows[file.day] += file.rows
    return rows


def _known_until(staged: Staged) -> datetime:
    """When all was known of the day, at the earliest when it was over."""
    known = [end_of(staged.day)]
    for file in staged.data_files:
        footer = pq.read_metadata(file.path)
        place = footer.schema.names.index(KNOWN)
        known += [footer.row_group(n).column(place).statistics.max for n in range(footer.num_row_groups)]
    return max(known)

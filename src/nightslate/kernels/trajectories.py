"""Decisions of users that follow one another, as trajectories."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.kernels.rewards import Costs, rewarded
from nightslate.programs.days import end_of, matured_before, microseconds

NEXT = "next_"
"""What the names of columns about the decision after a row's begin with."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

IMPRESSION_COLUMNS = (
    "impression_id",
    "user_id",
    "occurred_at",
    "variant",
    "policy",
    "slot",
    "arm_id",
    "propensity",
    "propensity_kind",
    "issue_probability",
    "eligible_arms",
)
_OF_PROPENSITIES = ("slot", "propensity_kind")
"""What is read for `rewarded` alone: transitions are of one slot."""


@dataclass(frozen=True)
class Trajectories:
    """Which decisions follow one another: those of a user, no two more than `gap` apart. Of a trajectory that
    lasts longer than `longest`, its last decisions within so long. `costs`: what is taken off what each
    earns."""

    gap: timedelta
    longest: timedelta
    costs: Costs = field(default_factory=dict)

    def ended_on(self, ds: date, impressions: pa.Table, credited: pa.Table) -> pa.Table:
        """The transitions of all trajectories whose end is known on the night of ds and not the night before:
        on it the gap after their last decision is over. In the order of users, and of time.

        impressions: all of some users up to ds, with any context columns. credited: theirs, known at ds."""
        rows = rewarded(impressions, credited, end_of(ds), costs=self.costs)
        rows = rows.drop_columns([name for name in _OF_PROPENSITIES if name in rows.column_names])
        rows = rows.sort_by([(name, "ascending") for name in ("user_id", "occurred_at", "impression_id")])
        time = np.asarray(rows["occurred_at"].cast(pa.int64()), dtype=np.int64)
        first, last = self._ends(pc.unique(rows["user_id"]), rows["user_id"], time)
        until = microseconds(matured_before(ds, self.gap) - _EPOCH)
        ended = (time[last] < until) & (time[last] >= until - microseconds(timedelta(days=1)))
        young = time > time[last] - microseconds(self.longest)
        kept = np.flatnonzero(ended & young)
        return _transitions(rows.take(kept), first[kept])

    def _ends(self, users: pa.Array, user_id: pa.ChunkedArray, time: Ints) -> tuple[Ints, Ints]:
        """(n,), (n,): the place of the first and the last decision of each decision's trajectory."""
        user = np.asarray(pc.index_in(user_id, users), dtype=np.int64)
        begins = np.ones(time.size, dtype=np.bool_)
        begins[1:] = (user[1:] != user[:-1]) | (np.diff(time) > microseconds(self.gap))
        starts = np.flatnonzero(begins)
        trajectory = np.cumsum(begins) - 1
        ends = np.append(starts[1:], time.size) - 1
        return starts[trajectory], ends[trajectory]


def _transitions(rows: pa.Table, first: Ints) -> pa.Table:
    """The rows with what identifies them in their trajectory, and the decision after each. `first`: equal for
    the decisions of one trajectory, which lie together."""
    begins = np.append(True, first[1:] != first[:-1])[: first.size]
    starts = np.flatnonzero(begins)
    start = starts[np.cumsum(begins) - 1] if first.size else first
    place = np.arange(first.size)
    terminal = np.append(begins[1:], True)[: first.size]
    after = rows.take(pa.array(place + 1, pa.int64(), mask=terminal))
    context = [name for name in rows.column_names if name not in (*IMPRESSION_COLUMNS, "reward")]
    columns = {
        "trajectory_id": rows["impression_id"].take(start),
        "step": pa.array(place - start + 1, pa.int32()),
        "terminal": pa.array(terminal),
        **{NEXT + name: after[name] for name in ("eligible_arms", *context)},
    }
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    return rows

"""Staying, which is the absence of an event: what users earn by being there at the end of a horizon.

All of a horizon becomes known at its end, of those who stayed and of those who left: else the arms of users
who leave early would look worse than they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import ISSUE
from nightslate.kernels.attribution import CREDITS, OUTCOME_COLUMNS, Attributor
from nightslate.programs.rewards import SURVIVAL
from nightslate.records.instants import INSTANT


@dataclass(frozen=True)
class Survival:
    """A horizon that ends with the day `last`. unless: the kind of outcome that ends a user's stay;
    attributor: how both kinds are shared, and what they are worth; issue: whose impressions, None: all."""

    first: date
    last: date
    unless: str
    attributor: Attributor
    issue: str | None = None

    def credits(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Rows of `CREDITS` of some users, from their `impressions` and what they `left` by: one outcome of
        each who was shown anything in the horizon, however often, shared among what was shown."""
        start = pa.scalar(datetime.combine(self.first, datetime.min.time(), UTC), INSTANT)
        shown, left = (
            rows.filter(pc.greater_equal(rows["occurred_at"].cast(INSTANT), start))
            for rows in (tables["impressions"], tables["left"])
        )
        if self.issue is not None:
            shown = shown.filter(pc.equal(shown[ISSUE], self.issue))
        left = self._first_of_each(left.filter(pc.equal(left["kind"], self.unless)))
        outcomes = pa.concat_tables([left, self._stays(shown, left)])
        found = self.attributor.attribute(shown, outcomes)
        return pa.concat_tables([CREDITS.empty_table(), *found.credits()])

    def _first_of_each(self, left: pa.Table) -> pa.Table:
        """A user leaves once in a horizon."""
        in_order = left.sort_by([(name, "ascending") for name in ("user_id", "occurred_at", "outcome_id")])
        columns = in_order.column_names
        firsts = in_order.group_by("user_id", use_threads=False).aggregate(
            [(name, "first") for name in columns if name != "user_id"]
        )
        renamed = firsts.rename_columns([name.removesuffix("_first") for name in firsts.column_names])
        return renamed.select(columns).cast(left.schema)

    def _stays(self, shown: pa.Table, left: pa.Table) -> pa.Table:
        """An outcome for each user who was shown something and has not left, at the last moment of the
        horizon."""
        users = pc.unique(shown["user_id"])
        users = users.filter(pc.invert(pc.is_in(users, left["user_id"].combine_chunks())))
        end = datetime.combine(self.last, datetime.min.time(), UTC) + timedelta(days=1, microseconds=-1)
        columns = {
            "outcome_id": pc.binary_join_element_wise(SURVIVAL, f"{self.last}", users, "-"),
            "user_id": users,
            "occurred_at": pa.repeat(pa.scalar(end, INSTANT), len(users)),
            "kind": pa.repeat(SURVIVAL, len(users)),
            "value": pa.repeat(1.0, len(users)),
            "arm_id": pa.nulls(len(users), pa.string()),
            "impression_id": pa.nulls(len(users), pa.string()),
        }
        return pa.table({name: columns[name] for name in OUTCOME_COLUMNS}).cast(left.schema)


def surviving(
    attributor: Attributor, unless: str, value: float, first: date, last: date, issue: str | None
) -> Survival:
    """The horizon from one day to another, both included. attributor: of the issue's other outcomes."""
    worths = {SURVIVAL: value, unless: (attributor.values or {}).get(unless, 0.0)}
    of_user = replace(
        attributor,
        match="user",
        matches={},
        window=timedelta(days=(last - first).days + 1),
        windows={},
        values=worths,
        decay=None,
        cap=None,
        at_horizon=frozenset(),
    )
    return Survival(first, last, unless, of_user, issue)

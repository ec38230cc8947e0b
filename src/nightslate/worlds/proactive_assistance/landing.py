"""The landing files of a day: what users did, what they were shown, what came of it, and who and what there
is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.core.hashing import uniform
from nightslate.worlds.landing_files import OUTCOMES, STAMP, names_at, write_day
from nightslate.worlds.proactive_assistance.activity import AFTER_VISIT, MICROSECONDS_OF_A_DAY, profiles
from nightslate.worlds.proactive_assistance.population import Day
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.world import Lives, World

_TO_OPEN, _CANCELS_FROM, _CANCELS_FOR = 30.0, 83_000.0, 3_000.0
"""Seconds: from being shown help to opening it, and the time of day of cancellations, after all visits."""


@dataclass(frozen=True)
class Landing:
    """Writes a program's landing logs day by day into their `folder`. posted_from: the day, counted from 0,
    from which on users' activity is posted to the app, which lands it, and what it decides, beside."""

    world: World
    folder: Path
    first_day: date
    posted_from: int | None = None

    def land(self, day: Day, subscribers: Lives) -> None:
        """All logs of a day. `subscribers`: those of the day after, whom slates are for."""
        posted = self.posted_from is not None and day.day >= self.posted_from
        shown, activity = self._impressions(day), self._activity(day)
        logs = {
            "impressions": shown.filter(day.decisions.decision_id.is_null()),
            "outcomes": pa.concat_tables([self._opened(day), self._cancelled(day)]),
            "users": profiles(subscribers.people),
            "arms": pa.table({"arm_id": ARMS}),
            "activity": activity.slice(0, 0) if posted else activity,
        }
        write_day(self.folder, self.first_day + timedelta(days=day.day), logs)

    def _activity(self, day: Day) -> pa.Table:
        events = day.events
        users = pc.binary_join_element_wise("subscriber", pa.array(events.number).cast(pa.string()), "-")
        start = np.datetime64(self.first_day, "us")
        columns = events.columns
        return pa.table(
            {
                "user_id": users,
                "occurred_at": pa.array(start + events.at.astype("timedelta64[us]"), STAMP),
                **dict(zip(columns.column_names, columns.columns, strict=True)),
            }
        )

    def _impressions(self, day: Day) -> pa.Table:
        decisions = day.decisions
        context = profiles(day.morning.people.take(decisions.place))
        decision = pc.coalesce(decisions.decision_id, self._ids(day, context["user_id"]))
        of_app = pc.binary_join_element_wise(decisions.decision_id, "1", "-")
        by_engine = decisions.slate_id.is_null()
        return pa.table(
            {
                "impression_id": pc.coalesce(of_app, decision),
                "decision_id": decision,
                "user_id": context["user_id"],
                "occurred_at": self._times(day.day, decisions.at + AFTER_VISIT),
                "slot": pa.array(np.ones(len(decisions.arm)), pa.int32()),
                "arm_id": names_at(ARMS, decisions.arm),
                **{
                    name: pc.if_else(by_engine, pa.array(getattr(decisions, name)), None)
                    for name in ("propensity", "issue_probability")
                },
                "slate_id": decisions.slate_id,
                "issue": names_at(ISSUES, decisions.issue),
                "variant": decisions.variant,
                **{name: context[name] for name in context.column_names if name != "user_id"},
            }
        )

    def _opened(self, day: Day) -> pa.Table:
        """Opening names what was opened."""
        at = np.flatnonzero(day.opened)
        shown = self._impressions(day).select(["impression_id", "user_id", "arm_id"]).take(pa.array(at))
        impression = shown["impression_id"].combine_chunks()
        columns = {
            "outcome_id": pc.binary_join_element_wise("opened", impression, "-"),
            "user_id": shown["user_id"].combine_chunks(),
            "occurred_at": self._times(day.day, day.decisions.at[at] + AFTER_VISIT + _TO_OPEN),
            "kind": pa.repeat("opened", len(at)),
            "value": np.ones(len(at)),
            "arm_id": shown["arm_id"].combine_chunks(),
            "impression_id": impression,
        }
        return pa.table(columns, schema=OUTCOMES)

    def _cancelled(self, day: Day) -> pa.Table:
        """A cancellation names nothing but the user."""
        people = day.morning.people.take(np.flatnonzero(day.cancelled))
        at = _CANCELS_FROM + _CANCELS_FOR * uniform(self.world.keys(people, "cancels at", day.day))
        users = pa.array(people.ids, pa.string())
        columns = {
            "outcome_id": pc.binary_join_element_wise("cancellation", users, "-"),
            "user_id": users,
            "occurred_at": self._times(day.day, at),
            "kind": pa.repeat("cancellation", len(people)),
            "value": np.ones(len(people)),
            "arm_id": pa.nulls(len(people), pa.string()),
            "impression_id": pa.nulls(len(people), pa.string()),
        }
        return pa.table(columns, schema=OUTCOMES)

    def _ids(self, day: Day, users: pa.ChunkedArray) -> pa.ChunkedArray:
        today = (self.first_day + timedelta(days=day.day)).isoformat()
        return pc.binary_join_element_wise(today, users, "-")

    def _times(self, day: int, seconds: Floats) -> pa.Array:
        at: Ints = day * MICROSECONDS_OF_A_DAY + (seconds * 1e6).astype(np.int64)
        return pa.array(np.datetime64(self.first_day, "us") + at.astype("timedelta64[us]"), STAMP)

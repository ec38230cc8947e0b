"""The landing files of a day: what users did, which checkout they saw, what came of it, and incidents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import pdtr

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Floats, Ints
from nightslate.core.hashing import uniform
from nightslate.worlds.landing_files import OUTCOMES, STAMP, names_at, write_day
from nightslate.worlds.rollout_allocation.app import CONTROL, TREATMENT, VARIANTS
from nightslate.worlds.rollout_allocation.incidents import NAME
from nightslate.worlds.rollout_allocation.population import Day
from nightslate.worlds.rollout_allocation.world import DEVICES, KINDS, PLANS, REGIONS, Morning, World

SIGNALS = arrow.types(load("signals").landing_columns)
_MOST_ERRORS, _BETWEEN_ERRORS = 12, 20.0
"""Of a visit; seconds from its beginning to the first, and from each to the next."""


def profiles(world: World, morning: Morning, at: Ints) -> pa.Table:
    """What is known of some users (m,) on a day, in the columns of the landing logs: the app knows where all
    of them are, and who agrees to the use of that."""
    people = world.people
    return pa.table(
        {
            "user_id": pa.array(people.ids, pa.string()).take(pa.array(at)),
            "region": names_at(REGIONS, people.region[at]),
            "device": names_at(DEVICES, morning.device[at]),
            "plan": names_at(PLANS, people.plan[at]),
            "tenure_days": morning.tenure[at].astype(np.float64),
            "beta": names_at(("no", "yes"), people.beta[at].astype(np.int64)),
            "consent_location": people.located[at],
        }
    )


@dataclass
class Landing:
    """Writes a program's landing logs day by day into their `folder`; an outcome lands on the day on which it
    happens."""

    world: World
    folder: Path
    first_day: date
    _waiting: pa.Table = field(default_factory=OUTCOMES.empty_table, init=False)

    def land(self, day: Day) -> None:
        """All logs of a day."""
        date_ = self.first_day + timedelta(days=day.day)
        self._waiting = pa.concat_tables([self._waiting, *(self._outcomes(day, kind) for kind in KINDS)])
        midnight = datetime.combine(date_ + timedelta(days=1), datetime.min.time(), UTC)
        due = pc.less(self._waiting["occurred_at"], pa.scalar(midnight, STAMP))
        logs = {
            "impressions": self._impressions(day),
            "outcomes": self._waiting.filter(due),
            "users": profiles(self.world, day.morning, np.flatnonzero(day.morning.present)),
            "arms": pa.table({"arm_id": VARIANTS}),
            "activity": self._activity(day),
            "signals": self._signals(day.day),
        }
        self._waiting = self._waiting.filter(pc.invert(due))
        write_day(self.folder, date_, logs)

    def _impressions(self, day: Day) -> pa.Table:
        """Those that logging has not lost. Whoever is in no experiment was sure to see the control."""
        rows = np.flatnonzero(day.logged)
        place = day.place[rows]
        context, assigned = profiles(self.world, day.morning, place), day.assigned
        known = pa.array(assigned.known[place])
        variant = names_at(VARIANTS, np.maximum(assigned.variant[place], CONTROL))
        ids = self._ids(day, place)
        return pa.table(
            {
                "impression_id": ids,
                "decision_id": ids,
                "user_id": context["user_id"],
                "occurred_at": self._times(day.day, day.at[rows]),
                "surface": pa.repeat("checkout", len(rows)),
                "slot": pa.array(np.ones(len(rows)), pa.int32()),
                "arm_id": names_at(VARIANTS, np.where(day.treated[rows], TREATMENT, CONTROL)),
                "propensity": assigned.probability[place],
                "variant": pc.if_else(known, variant, None),
                **{name: context[name] for name in context.column_names if name != "user_id"},
            }
        )

    def _outcomes(self, day: Day, kind: str) -> pa.Table:
        """Of all visits, whether or not their impressions are logged: an outcome names none."""
        rows = np.flatnonzero(day.happened[kind])
        place = day.place[rows]
        columns = {
            "outcome_id": pc.binary_join_element_wise(kind, self._ids(day, place), "-"),
            "user_id": self._users(place),
            "occurred_at": self._times(day.day, day.at[rows] + day.delays[kind][rows]),
            "kind": pa.repeat(kind, len(rows)),
            "value": np.ones(len(rows)),
            "arm_id": pa.nulls(len(rows), pa.string()),
            "impression_id": pa.nulls(len(rows), pa.string()),
        }
        return pa.table(columns, schema=OUTCOMES)

    def _activity(self, day: Day) -> pa.Table:
        """Each visit, and the errors and slow pages of it one after another."""
        visits = np.arange(len(day.place))
        parts: list[tuple[str, Ints, Floats]] = [("visit", visits, np.zeros(len(visits)))]
        means = {
            "error": self.world.errors_of_visit(day.morning),
            "slow_page": self.world.slow_pages_of_visit(day.morning),
        }
        for after, (kind, mean) in enumerate(means.items(), start=1):
            counts = self._counts(day, kind, mean)
            rows = np.repeat(visits, counts)
            number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            parts.append((kind, rows, np.asarray(_BETWEEN_ERRORS * (number + after / 2))))
        rows = np.concatenate([rows for _, rows, _ in parts])
        return pa.table(
            {
                "user_id": self._users(day.place[rows]),
                "occurred_at": self._times(day.day, day.at[rows] + np.concatenate([at for *_, at in parts])),
                "kind": pa.concat_arrays([pa.repeat(kind, len(rows)) for kind, rows, _ in parts]),
            }
        )

    def _counts(self, day: Day, kind: str, mean: Floats) -> Ints:
        """(v,) Poisson, by inversion."""
        at_most = pdtr(np.arange(_MOST_ERRORS), mean[day.place][:, None])
        drawn = uniform(self.world.keys(day.day, kind))[day.place]
        return np.asarray((drawn[:, None] > at_most).sum(axis=1))

    def _signals(self, day: int) -> pa.Table:
        """Incidents of which it is known since the day."""
        announced = self.world.incidents.announced(day)
        columns = {
            "name": pa.repeat(NAME, len(announced)),
            "region": names_at(REGIONS, np.array([each.region for each in announced], dtype=np.int64)),
            "starts_at": self._mornings([each.begins for each in announced]),
            "expires_at": self._mornings([each.ends for each in announced]),
            "severity": pa.array([each.severity for each in announced], pa.float64()),
        }
        return pa.table(columns, schema=SIGNALS)

    def _mornings(self, days: list[int]) -> pa.Array:
        start = np.datetime64(self.first_day, "us")
        return pa.array(start + np.array(days, dtype="timedelta64[D]"), STAMP)

    def _users(self, place: Ints) -> pa.Array:
        return pa.array(self.world.people.ids, pa.string()).take(pa.array(place))

    def _ids(self, day: Day, place: Ints) -> pa.Array:
        """Of visits, of which a user has one a day."""
        today = (self.first_day + timedelta(days=day.day)).isoformat()
        return pc.binary_join_element_wise(today, self._users(place), "-")

    def _times(self, day: int, seconds: Floats) -> pa.Array:
        start = np.datetime64(self.first_day + timedelta(days=day), "us")
        return pa.array(start + (seconds * 1e6).astype(np.int64).astype("timedelta64[us]"), STAMP)

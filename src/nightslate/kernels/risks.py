"""Risks of users: of each day that is over what came after it, to learn from, and what is to be expected of
users by now. A row is a user of a day, with what was known of it at the day's end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools
from nightslate.core.ordering import events_between
from nightslate.core.policies import EpsilonGreedy
from nightslate.core.policies.row_sample import RowSample
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.features import AT, integers
from nightslate.kernels.lists import place_in
from nightslate.kernels.scoring import ScoredBy, in_chunks
from nightslate.kernels.user_features import KnownFeatures
from nightslate.programs.days import microseconds

RISKS = arrow.types(load("risks").file_columns)
"""The day is added where they are stored."""

_DAY = microseconds(timedelta(days=1))


def users_at_ends(
    users: pa.Table, features: pa.Table | None, known: KnownFeatures | None, days: Collection[date]
) -> pa.Table:
    """The users of these days, with what was known of each at the end of its day, which is `occurred_at`."""
    rows = users.filter(pc.is_in(users["ds"], pa.array(sorted(days), pa.date32())))
    ends = pa.array((rows["ds"].cast(pa.int32()).to_numpy().astype(np.int64) + 1) * _DAY)
    rows = rows.append_column(AT, ends.cast(pa.timestamp("us", "UTC")))
    return rows if known is None or features is None else known.beside(rows, features)


@dataclass(frozen=True)
class Horizon:
    """An outcome of this kind within this time of a moment: in [moment, moment + within)."""

    kind: str
    within: timedelta

    def came(self, rows: pa.Table, outcomes: pa.Table) -> Bools:
        """(n,) of whose user it came after its `occurred_at`. outcomes: all of these users, of all days."""
        events = outcomes.filter(pc.equal(outcomes["kind"], self.kind))
        users = pc.unique(rows["user_id"])
        user, of_event = (place_in(each["user_id"], users) for each in (rows, events))
        begin, moments = (integers(each[AT]) for each in (rows, events))
        return events_between(of_event, moments, user, begin, begin + microseconds(self.within)) > 0


@dataclass(frozen=True)
class Lessons:
    """What users of days teach detectors. Of each the horizon, the learner, and which days: early ones are
    fitted first, and judged on the late ones."""

    horizons: Mapping[str, Horizon]
    learners: Mapping[str, EpsilonGreedy]
    early: Mapping[str, frozenset[date]]
    late: Mapping[str, frozenset[date]]
    encoder: Encoder

    def initial(self) -> dict[tuple[str, bool], RowSample]:
        """By detector and whether days are late, the state of no rows."""
        return {
            (name, late): learner.initial(1, self.encoder.width)
            for name, learner in self.learners.items()
            for late in (False, True)
        }

    def update(self, rows: pa.Table, outcomes: pa.Table) -> Iterator[tuple[tuple[str, bool], RowSample]]:
        """The same of some users: `users_at_ends` of all days, and all outcomes of them."""
        states, done = self.initial(), 0
        came = {name: horizon.came(rows, outcomes) for name, horizon in self.horizons.items()}
        for chunk in in_chunks(rows):
            contexts, day = self.encoder(chunk), chunk["ds"]
            for name, late in states:
                days = (self.late if late else self.early)[name]
                at = np.flatnonzero(pc.is_in(day, pa.array(sorted(days), pa.date32())).to_numpy())
                rewards = came[name][done + at].astype(np.float64)
                arm = np.zeros(at.size, dtype=np.int64)
                states[name, late] = states[name, late].update(contexts[at], arm, rewards)
            done += chunk.num_rows
        yield from states.items()


def risks_of_users(models: Mapping[str, ScoredBy], users: pa.Table) -> pa.Table:
    """user_id, detector and risk of some users, with what was known of them at the end of the day."""
    parts = []
    for name, model in models.items():
        for chunk in in_chunks(users):
            expected = model.expected_rewards(chunk)
            risk = np.zeros(chunk.num_rows) if expected is None else np.clip(expected[:, 0], 0.0, 1.0)
            parts.append(pa.table([chunk["user_id"], pa.repeat(name, chunk.num_rows), risk], schema=RISKS))
    found = pa.concat_tables([RISKS.empty_table(), *parts])
    return found.sort_by([("user_id", "ascending"), ("detector", "ascending")])


def with_risks(users: pa.Table, risks: pa.Table, detectors: Iterable[str]) -> pa.Table:
    """The users with a column for each of the detectors, null where it has nothing to say."""
    for name in detectors:
        mine = risks.filter(pc.equal(risks["detector"], name))
        place = pc.index_in(users["user_id"], mine["user_id"].combine_chunks())
        users = users.append_column(name, mine["risk"].take(place.combine_chunks()))
    return users

"""What the credits of young impressions stand for, from the delays that the sample itself shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.core.delay_differences import Part, parts
from nightslate.core.maturity import Credited, Delays, DelaySums
from nightslate.programs.days import microseconds

DELAY_COLUMNS = ("kind", "lag_seconds")
"""What is read of credits besides what every program reads."""

COLUMNS = {
    "impressions": ("impression_id", "occurred_at", "user_id", "arm_id"),
    "credits": ("impression_id", "credit", *DELAY_COLUMNS),
}
"""What delays are seen in."""

_DAY = microseconds(timedelta(days=1))


@dataclass(frozen=True)
class Earned:
    """Credits by their `places` among those that are known, the rows of their impressions, and both as they
    are to delays."""

    places: Ints
    impressions: pa.Table
    credited: Credited

    @property
    def users(self) -> Ints:
        """(m,) whose each credit is, by a number that means nothing elsewhere."""
        users = self.impressions["user_id"].combine_chunks().dictionary_encode().indices
        return np.asarray(users, dtype=np.int64)


@dataclass(frozen=True)
class Kinds:
    """Outcomes that earn something, by kind: how long after an impression they count. `known_at`: credits are
    known of what happened before this moment. `arms`: those that can be told apart by how late they earn."""

    windows: Mapping[str, timedelta]
    known_at: datetime
    arms: tuple[str, ...] = ()

    def windows_us(self) -> Ints:
        """(K,) in microseconds."""
        return np.array([microseconds(window) for window in self.windows.values()], dtype=np.int64)

    def no_delays(self) -> DelaySums:
        """Sums for these kinds and arms, all other arms being one more."""
        return DelaySums.zero(len(self.windows), len(self.arms) + 1)

    def observed(self, tables: Mapping[str, pa.Table]) -> DelaySums:
        """What the credits of some users, on impressions of whatever age, say of delays."""
        earned = self.earned(tables["impressions"], tables["credits"])
        return self.no_delays().update(self.windows_us(), earned.credited, earned.users)

    def earned(self, impressions: pa.Table, credits_known: pa.Table) -> Earned:
        """The credits of these kinds and of these impressions."""
        # Few impressions earn anything: the others need no place in an index.
        earning = pc.is_in(impressions["impression_id"], credits_known["impression_id"].combine_chunks())
        impressions = impressions.filter(earning)
        impression = pc.index_in(
            credits_known["impression_id"], impressions["impression_id"].combine_chunks()
        )
        kind = pc.index_in(credits_known["kind"], pa.array(list(self.windows), pa.string()))
        places = np.flatnonzero(pc.and_(pc.is_valid(impression), pc.is_valid(kind)))
        there, shown = credits_known.take(places), impressions.take(impression.take(places))
        age = pc.subtract(
            pa.scalar(self.known_at, shown.schema.field("occurred_at").type), shown["occurred_at"]
        )
        arm = pc.fill_null(pc.index_in(shown["arm_id"], pa.array(self.arms, pa.string())), len(self.arms))
        credited = Credited(
            kinds=np.asarray(kind.take(places), dtype=np.int64),
            arms=np.asarray(arm, dtype=np.int64),
            amounts=there["credit"].to_numpy(),
            lags=np.rint(there["lag_seconds"].to_numpy() * 1e6).astype(np.int64),
            ages=np.asarray(age.cast(pa.int64()), dtype=np.int64),
        )
        return Earned(places, shown, credited)


@dataclass(frozen=True)
class Maturity:
    """What is known of the delays of each kind, the least share of a kind's credit that an impression must
    have had for it to count, and how the delays of its parts differ."""

    kinds: Kinds
    delays: Delays
    min_seen: float
    parts: tuple[Part, ...] = ()

    @property
    def counts_until(self) -> datetime:
        """Impressions up to this moment count: the youngest that have had enough of their time."""
        return self.kinds.known_at - timedelta(microseconds=self.delays.least_age(self.min_seen))

    def scaled(self, impressions: pa.Table, credits_known: pa.Table) -> pa.Table:
        """The credits, those of `impressions` (all up to `counts_until`) as what they stand for. A credit of
        a kind that earns nothing any more stays what it is."""
        earned = self.kinds.earned(impressions, credits_known)
        amounts = credits_known["credit"].to_numpy().copy()
        amounts[earned.places] = self.delays.stands_for(earned.credited)
        at = credits_known.schema.get_field_index("credit")
        return credits_known.set_column(at, "credit", pa.array(amounts, pa.float64()))

    def median_delays(self) -> dict[str, float]:
        """By kind, the days that it takes to see half of the credit, of kinds of which that is known."""
        days = self.delays.medians() / _DAY
        return {kind: float(d) for kind, d in zip(self.kinds.windows, days, strict=True) if np.isfinite(d)}

    def rows(self) -> list[dict[str, Any]]:
        """The parts as the table `delays` has them: arms by their ids, times in days."""
        kinds, arms = list(self.kinds.windows), self.kinds.arms
        return [
            {
                "kind": kinds[part.kind],
                "part": part.name,
                "arm_id": None if part.arm is None else arms[part.arm],
                "credits": part.credits,
                "median_days": None if part.median is None else part.median / _DAY,
                "seen": part.seen,
                "later": part.later,
                "differs": part.differs,
            }
            for part in self.parts
            if part.arm is None or part.arm < len(arms)
        ]


def known_maturity(sums: DelaySums, kinds: Kinds, min_seen: float) -> Maturity:
    """What sums over credits say of how late they come."""
    windows = kinds.windows_us()
    return Maturity(kinds, sums.delays(windows), min_seen, parts(sums, windows))

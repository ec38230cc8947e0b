"""Limits by channel and by arm: which arms are closed to a user who may get others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Ints
from nightslate.core.contact_limits import ContactLimit, contacts_within
from nightslate.programs.contacts import PeriodLimit
from nightslate.programs.days import in_short, microseconds

CAPPED = arrow.types(load("capped").file_columns)
"""The day is added where they are stored."""

_CLOSED_ONCE = ("user_id", "closed", "name")


def contacts_among(impressions: pa.Table, counted: pa.ChunkedArray, by: Sequence[str] = ()) -> pa.Table:
    """The contacts among impressions: each decision (`user_id`, `decision_id`) that showed one of those that
    count (n,), when it first did (`at`, in microseconds); of each value of further columns for itself."""
    keys = ["user_id", "decision_id", *by]
    decisions = impressions.filter(counted).group_by(keys, use_threads=False)
    contacts = decisions.aggregate([("occurred_at", "min")])
    at = contacts["occurred_at_min"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return contacts.select(keys).append_column("at", at)


@dataclass(frozen=True)
class ContactCaps:
    """The limits by channel and by arm. `transactional`: the channels whose messages are no contacts.
    channel_of: of arms, those of the days that contacts are counted over among them, the channel."""

    limits: tuple[PeriodLimit, ...] = ()
    transactional: frozenset[str] = frozenset()
    channel_of: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The arms that are transactional."""
        return tuple(arm for arm, channel in self.channel_of.items() if channel in self.transactional)

    def arms_of(self, channel: str) -> list[str]:
        """The arms that go, or went, by a channel."""
        return [arm for arm, of in self.channel_of.items() if of == channel]

    def closed(
        self,
        users: pa.Table,
        impressions: pa.Table,
        uncounted: Collection[str],
        could: Mapping[str, Ints],
        begin: int,
    ) -> pa.Table:
        """`CAPPED` of some users. could: by channel how many slates of the day could go by it to each user
        (n,). uncounted: arms that are no contact."""
        counts = pc.invert(pc.is_in(impressions["arm_id"], pa.array(uncounted, pa.string())))
        parts = [
            self._of_channel(limit, limit.channel, users, impressions, counts, could, begin)
            for limit in self.limits
            if limit.channel is not None
        ]
        parts += [
            self._of_arms(limit, users, impressions, counts, begin)
            for limit in self.limits
            if limit.per is not None
        ]
        return pa.concat_tables([CAPPED.empty_table(), *parts])

    def _of_channel(
        self,
        limit: PeriodLimit,
        channel: str,
        users: pa.Table,
        impressions: pa.Table,
        counts: pa.ChunkedArray,
        could: Mapping[str, Ints],
        begin: int,
    ) -> pa.Table:
        arms = pa.array(self.arms_of(channel), pa.string())
        of_channel = pc.and_(counts, pc.is_in(impressions["arm_id"], arms))
        contacts = contacts_among(impressions, of_channel)
        place = pc.fill_null(
            pc.index_in(contacts["user_id"], users["user_id"].combine_chunks()), -1
        ).to_numpy()
        known = np.flatnonzero(place >= 0)
        within = contacts_within(
            [ContactLimit("limit", limit.most, microseconds(limit.period))],
            place[known],
            contacts["at"].to_numpy()[known],
            users.num_rows,
            begin,
        )[:, 0]
        more = could.get(channel, np.zeros(users.num_rows, dtype=np.int64))
        at = np.flatnonzero((more > 0) & (within + more > limit.most))
        return closed_rows(
            users["user_id"].take(pa.array(at)),
            "channel",
            [channel] * at.size,
            "channel_limit",
            within[at],
            more[at],
            limit.most,
            in_short(limit.period),
        )

    def _of_arms(
        self, limit: PeriodLimit, users: pa.Table, impressions: pa.Table, counts: pa.ChunkedArray, begin: int
    ) -> pa.Table:
        contacts = contacts_among(impressions, counts, by=["arm_id"])
        within = pc.and_(
            pc.greater_equal(contacts["at"], begin - microseconds(limit.period)),
            pc.less(contacts["at"], begin),
        )
        mine = pc.and_(within, pc.is_in(contacts["user_id"], users["user_id"].combine_chunks()))
        counted = contacts.filter(mine).group_by(["user_id", "arm_id"], use_threads=False)
        by_arm = counted.aggregate([([], "count_all")])
        full = by_arm.filter(pc.greater_equal(by_arm["count_all"], limit.most))
        ones = np.ones(full.num_rows, dtype=np.int64)
        return closed_rows(
            full["user_id"],
            "arm",
            full["arm_id"].to_pylist(),
            "arm_limit",
            full["count_all"].to_numpy(),
            ones,
            limit.most,
            in_short(limit.period),
        )


def closed_rows(
    users: pa.ChunkedArray,
    closed: str,
    names: Sequence[str],
    reason: str,
    contacts: Ints,
    slates: Ints,
    most: int,
    period: str,
) -> pa.Table:
    """`CAPPED` of what one rule closes, to users (n,) of so many contacts and slates to come."""
    n = len(users)
    columns = {
        "user_id": users,
        "closed": pa.repeat(closed, n),
        "name": pa.array(names, pa.string()),
        "reason": pa.repeat(reason, n),
        "contacts": pa.array(contacts, pa.int64()),
        "slates": pa.array(slates, pa.int64()),
        "most": pa.repeat(pa.scalar(most, pa.int64()), n),
        "period": pa.repeat(period, n),
    }
    return pa.table([columns[name] for name in CAPPED.names], schema=CAPPED)


def closed_once(rows: pa.Table) -> pa.Table:
    """`CAPPED` with one row of what several rules close, that of the first."""
    numbered = rows.append_column("_row", pa.array(np.arange(rows.num_rows)))
    first = numbered.group_by([*_CLOSED_ONCE], use_threads=False).aggregate([("_row", "min")])
    return rows.take(first["_row_min"].combine_chunks())

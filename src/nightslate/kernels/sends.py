"""Slates into what is sent: the first arm of each, by its channel, in the hours of its user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.show_times import zone_named

SENDS = arrow.types(load("sends").file_columns)
"""The day is added where they are stored."""

SLATES_READ = ("slate_id", "user_id", "issue", "variant", "ranking", "propensities")

_UTC, _NONE = "UTC", pa.scalar(None, pa.string())


@dataclass(frozen=True)
class Sending:
    """How an issue's slates of a day are sent. zone: the column of the user's; None for UTC."""

    program: str
    issue: str
    slate_date: date
    channels: OpenChannels
    zone: str | None

    def sends(self, slates: pa.Table, users: pa.Table) -> pa.Table:
        """`SENDS` of some slates, in their order. slates: `SLATES_READ`. users: those of the day among whom
        theirs are, with the columns that channels look at; whoever is there no more has not consented."""
        place = pc.index_in(slates["user_id"], users["user_id"].combine_chunks()).combine_chunks()
        people = users.take(place)  # nulls where nobody is there
        arms = pc.list_element(slates["ranking"], 0).combine_chunks()
        channel, silent = self._channel_of(arms), pc.is_in(arms, self._silent)
        reason = pc.if_else(silent, "nothing", "no_channel")
        begins, ends = (pa.nulls(len(arms), SENDS.field("send_at").type) for _ in range(2))
        for name, way in self.channels.channels.items():
            mine = pc.fill_null(pc.equal(channel, name), False)
            consents = pa.array(way.consents(people))
            first, end = way.times.first(people)
            why_not = pc.if_else(consents, pc.if_else(first.is_null(), "window_over", _NONE), "opted_out")
            reason = pc.if_else(mine, why_not, reason)
            sent = pc.and_(mine, why_not.is_null())
            begins, ends = pc.if_else(sent, first, begins), pc.if_else(sent, end, ends)
        columns = {
            **{name: slates[name] for name in ("slate_id", "user_id", "issue", "variant")},
            "send_id": self._ids(slates["user_id"]),
            "arm_id": arms,
            "propensity": pc.list_element(slates["propensities"], 0),
            "channel": channel,
            "reason": reason,
            "send_at": begins,
            "send_until": ends,
            "zone": self._zones(people),
        }
        return pa.table([columns[name] for name in SENDS.names], schema=SENDS)

    def _channel_of(self, arms: pa.Array) -> pa.Array:
        """(n,) the channel of each arm; null for those that have none that the program knows."""
        of_arm = {arm: of for arm, of in self.channels.of_arm.items() if of in self.channels.channels}
        place = pc.index_in(arms, pa.array([*of_arm], pa.string()))
        return pa.array([*of_arm.values()], pa.string()).take(place)

    @property
    def _silent(self) -> pa.Array:
        """The arms that send nothing."""
        return pa.array([arm for arm, of in self.channels.of_arm.items() if of is None], pa.string())

    def _ids(self, users: pa.ChunkedArray) -> pa.Array:
        """(n,) see the contract: no two messages of an issue to a user on a day."""
        head = json.dumps([self.program, self.slate_date.isoformat(), self.issue]).encode() + b"\0"
        return pa.array([sha256(head + user.encode()).hexdigest() for user in users.to_pylist()], pa.string())

    def _zones(self, people: pa.Table) -> pa.Array:
        """(n,) the name of each user's zone, if it is one."""
        if self.zone is None:
            return pa.repeat(_UTC, people.num_rows)
        named = people[self.zone].combine_chunks()
        names = pc.unique(named)
        known = pa.array([name if zone_named(name) else _UTC for name in names.to_pylist()], pa.string())
        return known.take(pa.array(np.asarray(pc.index_in(named, names))))

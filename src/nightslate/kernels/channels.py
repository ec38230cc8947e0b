"""Which channels reach users on a day, and so which arms may be sent to each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Ints
from nightslate.core.quiet_times import AnyQuiet, QuietHours
from nightslate.kernels.conditions import holding
from nightslate.kernels.show_times import ShowTimes, quiet_hours
from nightslate.programs.conditions import Condition
from nightslate.programs.contacts import QuietTimes
from nightslate.programs.sends import Sends

CHANNELS = "_channels"
"""Of users, whose own columns never begin so: the channels that reach each, as bits of an int64."""


CLOSED = "_closed"
"""Of users: the arms that limits close to each, by their places on offer, as text; null for none."""


@dataclass(frozen=True)
class Channel:
    """What has to hold for whom it reaches, and when it may be used on the day."""

    consent: Condition
    times: ShowTimes

    def consents(self, users: pa.Table) -> Bools:
        """(n,) who consents; nobody of whom it can't be told."""
        held = pc.fill_null(holding(users, self.consent), False)
        return np.asarray(held.to_numpy(), dtype=np.bool_)

    def reaches(self, users: pa.Table) -> Bools:
        """(n,) who consents, and has time left of the day in which it may be used."""
        return self.consents(users) & self.times.left(users)


class Left(NamedTuple):
    """Of n users the channels that are left, as `CHANNELS`, and the arms that are not, as `CLOSED`."""

    bits: Ints
    closed: pa.Array


@dataclass(frozen=True)
class OpenChannels:
    """The channels of a program by name, and of each arm on offer the name of its own; None for an arm that
    sends nothing, which may be drawn for whoever is reached by any channel."""

    channels: Mapping[str, Channel]
    of_arm: Mapping[str, str | None]

    def beside(self, users: pa.Table, capped: pa.Table | None = None) -> pa.Table:
        """Those among some users whom a channel of some arm reaches that is not closed, with `CHANNELS` and
        `CLOSED`. capped: `CAPPED` of these users; None where limits close nothing."""
        left = self.left(users, capped)
        with_both = users.append_column(CHANNELS, pa.array(left.bits)).append_column(CLOSED, left.closed)
        return with_both.filter(pa.array(left.bits > 0))

    def left(self, users: pa.Table, capped: pa.Table | None) -> Left:
        """What is left to each user. A channel all of whose arms are closed is closed."""
        bits, people = self.bits(users), users["user_id"].combine_chunks()
        if capped is None or not capped.num_rows:
            return Left(bits, pa.nulls(users.num_rows, pa.string()))
        mine = capped.filter(pc.is_in(capped["user_id"], people))
        of_channel = mine.filter(pc.equal(mine["closed"], "channel"))
        place = pc.index_in(of_channel["user_id"], people).to_numpy()
        of_name = np.array([self.bits_of([name]) for name in of_channel["name"].to_pylist()], dtype=np.int64)
        shut = np.zeros(users.num_rows, dtype=np.int64)
        np.bitwise_or.at(shut, place, of_name)
        closed = self._closed(people, mine.filter(pc.equal(mine["closed"], "arm")))
        for said in pc.unique(closed).drop_null().to_pylist():
            whole = [name for name in self.channels if not self._open(name, said)]
            shut[pc.fill_null(pc.equal(closed, said), False).to_numpy(zero_copy_only=False)] |= self.bits_of(
                whole
            )
        return Left(bits & ~shut, closed)

    def bits_of(self, names: Collection[str]) -> int:
        """The bits of some channels."""
        return sum(1 << place for place, name in enumerate(self.channels) if name in names)

    def _closed(self, people: pa.Array, of_arms: pa.Table) -> pa.Array:
        """(n,) the arms that are closed to each user, as `CLOSED`."""
        place = pc.index_in(of_arms["name"], pa.array([*self.of_arm], pa.string()))
        offered = of_arms.select(["user_id"]).append_column("place", place).filter(place.is_valid())
        in_order = offered.sort_by([("user_id", "ascending"), ("place", "ascending")])
        texts = in_order.set_column(1, "place", in_order["place"].cast(pa.string()))
        by_user = texts.group_by("user_id", use_threads=False).aggregate([("place", "list")])
        said = pc.binary_join(by_user["place_list"].combine_chunks(), ",")
        return said.take(pc.index_in(people, by_user["user_id"].combine_chunks()))

    def _open(self, name: str, closed: str) -> bool:
        """Whether an arm of the channel is left."""
        shut = self.named(closed)
        return any(channel == name and arm not in shut for arm, channel in self.of_arm.items())

    def named(self, closed: str | None) -> frozenset[str]:
        """The arms that a value of `CLOSED` is about."""
        arms = [*self.of_arm]
        return frozenset(arms[int(place)] for place in closed.split(",")) if closed else frozenset()

    def bits(self, users: pa.Table) -> Ints:
        """(n,) the channels of arms on offer that reach each user."""
        offered = {*self.of_arm.values()}
        found = np.zeros(users.num_rows, dtype=np.int64)
        for place, (name, channel) in enumerate(self.channels.items()):
            if name in offered:
                found |= channel.reaches(users).astype(np.int64) << place
        return found

    def places(self, bits: int, arms: Sequence[str], closed: str | None = None) -> Ints:
        """(m,) the places of those arms that users with these channels may get, but for those that are
        closed. An arm that is not on offer, or whose channel the program does not know, is for nobody."""
        bit_of = {name: 1 << place for place, name in enumerate(self.channels)}
        silent = {arm for arm, channel in self.of_arm.items() if channel is None}
        shut = self.named(closed)
        return np.flatnonzero(
            [
                arm in silent or (arm not in shut and bool(bits & bit_of.get(self.of_arm.get(arm) or "", 0)))
                for arm in arms
            ]
        )


def open_channels(
    sends: Sends,
    consents: Mapping[str, Condition],
    quiet: QuietTimes | None,
    slate_date: date,
    arms: pa.Table,
) -> OpenChannels:
    """Those of a program on a day, for the arms that are on offer. quiet: when contact rules keep quiet."""
    by_rules = quiet_hours(quiet)
    channels = {}
    for name, said in sends.channels.items():
        closed = QuietHours(frozenset(), said.hours and (said.hours[1], said.hours[0]))
        quiet_too = () if said.transactional else (by_rules,)
        times = ShowTimes(slate_date, AnyQuiet((closed, *quiet_too)), sends.zone, sends.ready)
        channels[name] = Channel(consents[name], times)
    named = zip(arms["arm_id"].to_pylist(), arms[sends.channel].to_pylist(), strict=True)
    of_arm = {arm: None if of and of == sends.nothing else of or "" for arm, of in named}
    return OpenChannels(channels, of_arm)

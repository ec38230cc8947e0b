"""Which channels reach users on a day, and so which arms may be sent to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

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


@dataclass(frozen=True)
class OpenChannels:
    """The channels of a program by name, and of each arm on offer the name of its own; None for an arm that
    sends nothing, which may be drawn for whoever is reached by any channel."""

    channels: Mapping[str, Channel]
    of_arm: Mapping[str, str | None]

    def beside(self, users: pa.Table) -> pa.Table:
        """Those among some users whom a channel of some arm reaches, with `CHANNELS`."""
        bits = self.bits(users)
        return users.append_column(CHANNELS, pa.array(bits)).filter(pa.array(bits > 0))

    def bits(self, users: pa.Table) -> Ints:
        """(n,) the channels of arms on offer that reach each user."""
        offered = {*self.of_arm.values()}
        found = np.zeros(users.num_rows, dtype=np.int64)
        for place, (name, channel) in enumerate(self.channels.items()):
            if name in offered:
                found |= channel.reaches(users).astype(np.int64) << place
        return found

    def places(self, bits: int, arms: Sequence[str]) -> Ints:
        """(m,) the places of those arms that users with these channels may get. An arm that is not on offer,
        or whose channel the program does not know, is for nobody."""
        bit_of = {name: 1 << place for place, name in enumerate(self.channels)}
        silent = {arm for arm, channel in self.of_arm.items() if channel is None}
        return np.flatnonzero(
            [arm in silent or bool(bits & bit_of.get(self.of_arm.get(arm) or "", 0)) for arm in arms]
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
        times = ShowTimes(slate_date, AnyQuiet((closed, by_rules)), sends.zone, sends.ready)
        channels[name] = Channel(consents[name], times)
    named = zip(arms["arm_id"].to_pylist(), arms[sends.channel].to_pylist(), strict=True)
    of_arm = {arm: None if of and of == sends.nothing else of or "" for arm, of in named}
    return OpenChannels(channels, of_arm)

"""Days of users who are still in the variant that they were assigned to first, where an allocation that
follows the context may move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.experiments import Moments
from nightslate.kernels.experiment_users import DAY, PATH, Allocated, ExperimentUsers
from nightslate.kernels.features import USER
from nightslate.kernels.lists import place_in
from nightslate.kernels.named_states import MomentsByName, Place
from nightslate.kernels.user_totals import Done
from nightslate.programs.readouts import Metric


@dataclass(frozen=True)
class OfPaths:
    """What moments are of: a metric on the days on which users are in the variant of their first assignment
    still, and have been since."""

    metric: str


@dataclass(frozen=True, eq=False)
class Paths:
    """Of r days of users, in the order of users and days, the places of the users and the days since 1970;
    on_path: whether the user has been in the variant of the first assignment up to that day; probability:
    with which; followed: whether that was so up to the day before, of days but the first; staying: with which
    probability the user could stay on it, NaN where none is recorded; all (r,)."""

    user: Ints
    day: Ints
    on_path: Bools
    probability: Floats
    followed: Bools
    staying: Floats

    @classmethod
    def of(cls, allocated: Allocated, assignments: pa.Table, users: ExperimentUsers) -> Self:
        """From all assignments of these users; those of the filter `DRAWN` say as much of `weights`."""
        mine = assignments.filter(pc.equal(assignments["experiment"], allocated.salt))
        user = place_in(mine[USER], users.ids)
        day = np.asarray(mine["slate_date"].cast(pa.int32()).combine_chunks(), dtype=np.int64)
        order = np.lexsort((day, user))
        mine, user, day = mine.take(pa.array(order)), user[order], day[order]
        first = np.diff(user, prepend=-1) > 0
        variant = place_in(mine["variant"], pa.array(allocated.variants, pa.string()))
        stays = variant == users.variant[user]
        stored = mine[PATH].to_numpy()
        probability = np.where(first & np.isnan(stored), 1 / users.weight[user], stored)
        left = ~stays | np.isnan(probability)
        so_far = np.cumsum(left)
        on_path = so_far == (so_far - left)[np.maximum.accumulate(np.where(first, np.arange(user.size), 0))]
        shares, own = allocated.of_users(mine, day)
        staying = np.where(own, shares[np.arange(user.size), users.variant[user]], np.nan)
        followed = ~first & np.append(False, on_path[:-1])[: user.size]
        return cls(user, day, on_path, probability, followed, staying)

    def sums(self, metric: Metric, parts: Sequence[Done], assigned: Ints) -> Floats:
        """(u, 2) of each user the sums of what a metric is made of over the days on the path, those of its
        window alone, each divided by its probability; of a mean the number of days is below the line.
        assigned (u,): the first moment of each user's first day."""
        counts = self.on_path.copy()
        if metric.window is not None:
            counts &= self.day - assigned[self.user] // DAY < metric.window // timedelta(days=1)
        user, probability = self.user[counts], self.probability[counts]
        values = [self._totals(done, assigned) for done in parts]
        values += [np.ones(self.user.size)] if metric.per is None else []
        columns = [np.bincount(user, each[counts] / probability, assigned.size) for each in values]
        return np.stack(columns, axis=1)

    def _totals(self, done: Done, assigned: Ints) -> Floats:
        """(r,) what was done on each day, of what began on the first one or later."""
        keys, wanted = self.user * _DAYS + self.day, done.user * _DAYS + done.at // DAY
        place = np.searchsorted(keys, wanted)
        there = (np.append(keys, -1)[place] == wanted) & (done.began >= assigned[done.user])
        return np.bincount(place[there], done.amount[there], keys.size).astype(np.float64)

    def weights(
        self, users: ExperimentUsers, segments: Sequence[str], variants: Sequence[str]
    ) -> MomentsByName:
        """By the variant that users were in up to the day before, and column and value of a segment: of days
        on which they could stay or leave 1 / the probability of staying if they did, else 0, whose mean is 1;
        and 1 / the probability, of which its variance is made. Users are told apart by segments from the day
        after their first exposure on, as it was not known before what they are."""
        counts = self.followed & (self.staying > 0) & (self.staying < 1)
        user, inverse = self.user[counts], 1 / self.staying[counts]
        values = np.stack([np.where(self.on_path[counts], inverse, 0.0), inverse], axis=1)
        there, since = users.since("exposed")
        exposed = np.full(users.variant.size, np.iinfo(np.int64).max)
        exposed[there] = since
        known, found = self.day[counts] * DAY > exposed[user], dict[Place, Moments]()
        for column in (None, *segments):
            codes, names = users.segment(column)
            some = known if column else np.ones(user.size, dtype=np.bool_)
            cell = users.variant[user[some]] * len(names) + codes[user[some]]
            sums = Moments.initial((len(variants), len(names)), 2).update(cell, values[some])
            for variant, name in zip(*np.nonzero(sums.n), strict=True):
                found[variants[variant], column, names[name]] = sums.cell(variant, name)
        return MomentsByName(found)


_DAYS = 1_000_000
"""More than there are, so that a user and a day are one number."""

"""Users into variants by what is known of each: shares by scores within limits, and a draw given the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.allocation import (
    NO_EFFECT,
    Layer,
    Limits,
    SignalEffect,
    contextual_shares,
    daily_draws,
    drawn,
    first_draws,
    ruled_shares,
    shares_under,
    sticky_probabilities,
    within_step,
)
from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.kernels.assignments import ASSIGNMENTS
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.conditions import holding
from nightslate.kernels.lists import in_lists, matrix, place_in
from nightslate.kernels.ordering import order_by
from nightslate.programs.conditions import Condition

USER = "user_id"
SCORE_COLUMNS = ("user_id", "variant", "score")
BEFORE_COLUMNS = (
    *("experiment", "user_id", "variant", "shares", "probabilities", "path_probability"),
    *("morning_variant", "morning_probabilities", "since", "reason"),
)


@dataclass(frozen=True)
class ContextualAssignment:
    """Who is in which variant on a day. variants: by name, in order; limits: between what their shares move;
    effects: what signals do to users of a region, and of all others (None); region: the column of contexts
    that says where a user is; rules: conditions, and the variant of whom they hold for, the later ones over
    the earlier; layer: the experiments that share users with none of it; least_move: what shares have to be
    off by to move. update: which update within the day this is, 0 of the night's own: then what was before is
    of the day itself, nothing but what is stopped and signals move shares, and the draw is another one."""

    issue: str
    salt: str
    slate_date: date
    variants: Sequence[str]
    limits: Limits
    effects: Mapping[str | None, SignalEffect] = field(default_factory=lambda: {None: NO_EFFECT})
    region: str | None = None
    rules: Sequence[tuple[Condition, str]] = ()
    layer: Layer | None = None
    least_move: float = 0.0
    sticky: bool = True
    update: int = 0

    def rows(self, users: pa.Table, scores: pa.Table, before: pa.Table) -> pa.Table:
        """`ASSIGNMENTS` of the users of the day and of those who were assigned before, by user; first those
        of the filter `DRAWN`, which readouts look at alone. scores: `SCORE_COLUMNS`; before:
        `BEFORE_COLUMNS`, each user's last."""
        users, before = self.members(users), self.members(before)
        mine = before.filter(pc.equal(before["experiment"], self.salt)).combine_chunks()
        ids = pc.unique(pa.chunked_array([*users[USER].chunks, *mine[USER].chunks], pa.string()))
        past = self.past(mine, ids)
        shares = self.shares(users, scores, past, ids)
        probabilities = self.probabilities(past, shares)
        keys = user_keys(pa.table({USER: ids}))
        variant = drawn(probabilities, self.draws(keys, past.known))
        stays = past.known & (variant == past.variant)
        rows, at = np.arange(len(ids)), np.where(past.known, past.row, 0)
        probability = probabilities[rows, variant]

        def as_before(name: str, otherwise: pa.Scalar) -> pa.Array:
            told = pa.repeat(otherwise, len(ids))
            if not mine.num_rows:
                return told
            return pc.if_else(pa.array(stays), mine[name].combine_chunks().take(pa.array(at)), told)

        since = as_before("since", pa.scalar(self.slate_date, pa.date32()))
        moved = pc.if_else(pa.array(past.known & ~stays), "moved", "assigned")
        reason = pc.if_else(pa.array(stays), as_before("reason", pa.scalar("assigned")), moved)
        columns = {
            "issue": pa.repeat(self.issue, len(ids)),
            "experiment": pa.repeat(self.salt, len(ids)),
            USER: ids,
            "variant": pa.array(self.variants, pa.string()).take(pa.array(variant)),
            "probability": pa.array(probability),
            "shares": in_lists(pa.array(shares.ravel()), len(self.variants)),
            "probabilities": in_lists(pa.array(probabilities.ravel()), len(self.variants)),
            "path_probability": pa.array(past.path * probability, mask=np.full(len(ids), not self.sticky)),
            **self.morning(mine, at),
            "since": since,
            "reason": reason,
        }
        found = pa.table([columns[name] for name in ASSIGNMENTS.names], schema=ASSIGNMENTS)
        settled = pc.and_(pc.less(since, self.slate_date), pc.equal(found["probability"], 1.0))
        return found.take(order_by(pa.table({"settled": settled, USER: ids}), ("settled", USER)))

    def members(self, rows: pa.Table) -> pa.Table:
        """Rows of users who may be in the experiment."""
        if self.layer is None:
            return rows
        return rows.filter(pa.array(self.layer.members(user_keys(rows), self.salt)))

    def shares(self, users: pa.Table, scores: pa.Table, past: Past, ids: pa.Array) -> Floats:
        """(n, k) of users by their ids. Of whom nothing is known today, but an assignment before, the shares
        stay, but for what is stopped."""
        wanted, at = contextual_shares(self.limits, self.scores(scores, ids)), place_in(users[USER], ids)
        for condition, name in self.rules:
            ruled = self.holds(condition, users, at, len(ids))
            wanted = ruled_shares(self.limits, wanted, ruled, self.variants.index(name))
        absent = past.known.copy()
        if not self.update:
            absent[at] = False
        wanted = shares_under(SignalEffect("hold"), self.limits, past.shares, wanted, absent)
        for effect, there in self.by_region(users, at, len(ids)):
            wanted = shares_under(effect, self.limits, past.shares, wanted, there)
        return within_step(past.shares, self._kept_if_near(past.shares, wanted), self.limits.range)

    def _kept_if_near(self, before: Floats, wanted: Floats) -> Floats:
        """(n, k) the shares of before, of users of whom none is wanted off by much, or gone."""
        off = np.abs(wanted - before).max(axis=1, initial=0.0)
        gone = ((wanted == 0) & (before > 0)).any(axis=1)
        near = (off <= self.least_move) & ~gone  # of who comes anew it is not a number
        return np.where(near[:, None], before, wanted)

    def probabilities(self, past: Past, shares: Floats) -> Floats:
        """(n, k) of each variant, given those of the days before."""
        if not (self.sticky or self.update):
            return shares
        return sticky_probabilities(past.shares, shares, past.variant)

    def draws(self, keys: Keys, known: Bools) -> Floats:
        """(n,) whoever comes anew is drawn by salt and id alone, so that a recreated user is where it was."""
        salt = f"{self.salt}, update {self.update}" if self.update else self.salt
        return np.where(known, daily_draws(salt, keys, self.slate_date), first_draws(self.salt, keys))

    def morning(self, before: pa.Table, at: Ints) -> dict[str, pa.Array]:
        """What the night drew, where this is an update; nulls where it is not."""
        names = ("variant", "probabilities")
        if not self.update:
            kinds = {name: ASSIGNMENTS.field(f"morning_{name}").type for name in names}
            return {f"morning_{name}": pa.nulls(len(at), kind) for name, kind in kinds.items()}
        rows = before.take(pa.array(at)).combine_chunks()
        return {f"morning_{name}": pc.coalesce(rows[f"morning_{name}"], rows[name]) for name in names}

    def by_region(self, users: pa.Table, at: Ints, n: int) -> Iterator[tuple[SignalEffect, Bools]]:
        """What signals do, and to which users (n,). at: the places of the users of the day among them."""
        region_of = np.full(n, -1)
        names = [name for name in self.effects if name is not None]
        if self.region is not None and names:
            region_of[at] = place_in(users[self.region], pa.array(names, pa.string()))
        yield self.effects[None], np.asarray(region_of < 0)
        for place, name in enumerate(names):
            yield self.effects[name], np.asarray(region_of == place)

    def holds(self, condition: Condition, users: pa.Table, at: Ints, n: int) -> Bools:
        """(n,) for which users a condition holds. at: see `by_region`."""
        found = np.zeros(n, dtype=np.bool_)
        found[at] = np.asarray(pc.fill_null(holding(users, condition), False), dtype=np.bool_)
        return found

    def scores(self, scores: pa.Table, ids: pa.Array) -> Floats:
        """(n, k), NaN where there is none."""
        found = np.full((len(ids), len(self.variants)), np.nan)
        user, variant = place_in(scores[USER], ids), place_in(scores["variant"], self._names)
        known = (user >= 0) & (variant >= 0)
        found[user[known], variant[known]] = scores["score"].to_numpy()[known]
        return found

    def past(self, before: pa.Table, ids: pa.Array) -> Past:
        """What users of these ids were assigned to last, by `BEFORE_COLUMNS` of this experiment."""
        n, k = len(ids), len(self.variants)
        row, shares = np.full(n, -1), np.full((n, k), np.nan)
        variant, path = np.full(n, -1), np.ones(n)
        if before.num_rows:
            place = place_in(before[USER], ids)
            row[place] = np.arange(before.num_rows)
            shares[place] = matrix(before["shares"])
            variant[place] = place_in(before["variant"], self._names)
            path[place] = pc.fill_null(before["path_probability"], 1.0).to_numpy()
        return Past(row, shares, variant, path)

    @cached_property
    def _names(self) -> pa.Array:
        return pa.array(self.variants, pa.string())


@dataclass(frozen=True, eq=False)
class Past:
    """Of n users the row (n,) of each one's last assignment, -1 of those who come anew; the shares (n, k) of
    then, NaN of these; the place (n,) of the variant, -1; and the probability (n,) of the way there, 1."""

    row: Ints
    shares: Floats
    variant: Ints
    path: Floats

    @property
    def known(self) -> Bools:
        """(n,) who was assigned before."""
        return np.asarray(self.row >= 0)

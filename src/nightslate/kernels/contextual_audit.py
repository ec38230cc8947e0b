"""A second look at who was put into which variant: all that rows can prove of themselves, by definitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.allocation import Limits, SignalEffect
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.audit import FAULTS, faults_of, more_than_once
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.conditions import holding
from nightslate.kernels.contextual_assignments import USER, ContextualAssignment
from nightslate.kernels.experiment_users import EPOCH
from nightslate.kernels.lists import matrix, place_in

_ROUNDING = 1e-9


def assignment_faults(
    rows: pa.Table, users: pa.Table, scores: pa.Table, before: pa.Table, by: ContextualAssignment
) -> pa.Table:
    """`FAULTS`, by user_id, of each thing that is wrong with the assignments of some users; none if sound.
    See `ContextualAssignment.rows`."""
    ids = rows[USER].combine_chunks()
    users, mine = (
        _in_part(each, by) for each in (users, before.filter(pc.equal(before["experiment"], by.salt)))
    )
    wanted = pc.unique(pa.chunked_array([*users[USER].chunks, *mine[USER].chunks], pa.string()))
    lengths = [pc.fill_null(pc.list_value_length(rows[name]), -1) for name in ("shares", "probabilities")]
    uneven = np.logical_or.reduce([each.to_numpy() != len(by.variants) for each in lengths])
    found = {
        "a user of the day is in no variant": wanted.filter(pc.invert(pc.is_in(wanted, ids))),
        "nobody of the day is in a variant": ids.filter(pc.invert(pc.is_in(ids, wanted))),
        "a user is in more than one variant": more_than_once(ids),
        "shares or probabilities are not of all variants": ids.filter(pa.array(uneven)),
    }
    if not uneven.any() and rows.num_rows:
        look = _Look(rows, users, scores, mine, by)
        found |= {text: ids.filter(pa.array(wrong)) for text, wrong in look.faults().items()}
    return pa.concat_tables([FAULTS.empty_table(), *(faults_of(*each) for each in found.items())])


def _in_part(rows: pa.Table, by: ContextualAssignment) -> pa.Table:
    """By the definition: users whose number in the layer lies in a part of the experiment's."""
    if by.layer is None:
        return rows
    draws, mine = by.layer.draws(user_keys(rows)), np.zeros(rows.num_rows, dtype=np.bool_)
    for part in by.layer.parts:
        mine |= (part.experiment == by.salt) & (part.lower <= draws) & (draws < part.upper)
    return rows.filter(pa.array(mine))


@dataclass(frozen=True)
class _Look:
    rows: pa.Table
    users: pa.Table
    scores: pa.Table
    before: pa.Table
    by: ContextualAssignment

    def faults(self) -> dict[str, Bools]:
        """(n,) by fault the rows that have it."""
        rows, by, n = self.rows, self.by, np.arange(self.rows.num_rows)
        names = pa.array(by.variants, pa.string())
        shares, probabilities = matrix(rows["shares"]), matrix(rows["probabilities"])
        variant, known = place_in(rows["variant"], names), self._place >= 0
        had, was = self._of_before(names)
        expected = shares
        if by.sticky or by.update:
            expected = np.where(known[:, None], _coupled(had, shares, was), shares)
        chance = probabilities[n, np.maximum(variant, 0)]
        upper = probabilities.cumsum(axis=1)[n, np.maximum(variant, 0)]
        draw = self._draws(known)
        path = self._path()
        said = pc.fill_null(rows["path_probability"], np.nan).to_numpy()
        stays = known & (variant == was)
        return {
            "a share is not the one of the user's score": _differ(shares, self._shares(had, known)),
            "a probability is not the one of the shares": _differ(probabilities, expected),
            "a variant is none of the experiment's": np.asarray(variant < 0),
            "probability is not that of the variant": np.abs(rows["probability"].to_numpy() - chance) > 0,
            "a user is in another variant than was drawn": ~(
                (upper - chance - _ROUNDING <= draw) & (draw <= upper + _ROUNDING)
            ),
            "path_probability is not the product so far": by.sticky
            & ~(np.abs(said / (path * chance) - 1) < _ROUNDING),
            "since is not the day of the last change": self._since() != self._since_said(stays),
        }

    @cached_property
    def _place(self) -> Ints:
        """(n,) where each user is in the rows of before; -1 of those who come anew."""
        return place_in(self.rows[USER], self.before[USER].combine_chunks())

    def _taken(self, name: str) -> pa.Array:
        at = self._place
        return self.before[name].combine_chunks().take(pa.array(at, mask=at < 0))

    def _of_before(self, names: pa.Array) -> tuple[Floats, Ints]:
        n, k = self.rows.num_rows, len(names)
        had, place = np.full((n, k), np.nan), self._place
        if self.before.num_rows:
            had[place >= 0] = matrix(self.before["shares"])[place[place >= 0]]
        return had, place_in(pa.chunked_array([self._taken("variant")]), names)

    def _path(self) -> Floats:
        return np.asarray(pc.fill_null(self._taken("path_probability"), 1.0), dtype=np.float64)

    def _since(self) -> Ints:
        return np.asarray(self.rows["since"].cast(pa.int32()).combine_chunks(), dtype=np.int64)

    def _since_said(self, stays: Bools) -> Ints:
        today = (self.by.slate_date - EPOCH).days
        then = pc.fill_null(self._taken("since").cast(pa.int32()), today)
        return np.where(stays, np.asarray(then, dtype=np.int64), today)

    def _draws(self, known: Bools) -> Floats:
        return self.by.draws(user_keys(self.rows), known)

    def _shares(self, had: Floats, known: Bools) -> Floats:
        """(n, k) by the definition."""
        by, n, k = self.by, self.rows.num_rows, len(self.by.variants)
        at = place_in(self.rows[USER], self.users[USER].combine_chunks())
        score = np.full((n, k), np.nan)
        of = place_in(self.scores[USER], self.rows[USER].combine_chunks())
        which = place_in(self.scores["variant"], pa.array(by.variants))
        both = (of >= 0) & (which >= 0)
        score[of[both], which[both]] = self.scores["score"].to_numpy()[both]
        wanted = _asked_for(by.limits, score)
        for condition, variant in by.rules:
            holds = np.append(pc.fill_null(holding(self.users, condition), False).to_numpy(), False)
            wanted = _ruled(by.limits, wanted, holds[at], by.variants.index(variant))
        kept = _kept(had, wanted)
        unknown = known if by.update else known & (at < 0)
        wanted = np.where(unknown[:, None], kept, wanted)
        regions = np.full(n, None, dtype=object)
        if by.region is not None:
            regions = np.array([*self.users[by.region].to_pylist(), None], dtype=object)[at]
        of_region = {name: by.effects.get(name, by.effects[None]) for name in {*regions.tolist()}}
        for name, effect in of_region.items():
            there = np.array([each == name for each in regions.tolist()], dtype=np.bool_)
            if effect.do == "hold":
                there &= known
                wanted[there] = kept[there]
            elif effect.do is not None:
                wanted[there] = _reduced(by.limits, wanted[there], effect)
        gone = ((wanted == 0) & (had > 0)).any(axis=1)
        stays = known & ~gone & (np.abs(wanted - had) <= by.least_move).all(axis=1)
        return _in_steps(had, np.where(stays[:, None], had, wanted), known, by.limits.range)


def _asked_for(limits: Limits, score: Floats) -> Floats:
    """(m, k) baseline and clip(scale (score - tolerance)), rises scaled so that the control keeps a floor."""
    treated = limits.baseline > 0
    treated[limits.control] = False
    least = np.maximum(-limits.range, limits.floor - limits.baseline)
    most = np.minimum(limits.range, 1 - limits.floor - limits.baseline)
    move = np.clip(limits.scale * (score - limits.risk_tolerance), np.minimum(least, 0), np.maximum(most, 0))
    move = np.where(treated & ~np.isnan(move), move, 0.0)
    rise, fall = np.maximum(move, 0.0), np.minimum(move, 0.0)
    room = limits.baseline[limits.control] - limits.floor - fall.sum(axis=1)
    total = rise.sum(axis=1)
    factor = np.divide(room, total, out=np.ones_like(room), where=total > room)
    found: Floats = limits.baseline + fall + rise * factor[:, None]
    found[:, limits.control] = 1 - np.delete(found, limits.control, axis=1).sum(axis=1)
    return found


def _ruled(limits: Limits, shares: Floats, holds: Bools, variant: int) -> Floats:
    if limits.baseline[variant] == 0:
        return shares
    there = np.where(limits.baseline > 0, limits.floor, 0.0)
    there[variant] += 1 - there.sum()
    return np.where(holds[:, None], there, shares)


def _kept(had: Floats, wanted: Floats) -> Floats:
    """(m, k) the shares of before; what is out goes to those that gain."""
    return _in_steps(had, wanted, np.ones(len(had), dtype=np.bool_), 0.0)


def _reduced(limits: Limits, shares: Floats, effect: SignalEffect) -> Floats:
    """(m, k) treatments times the factor of the effect, not below the floor; of one that stops 0."""
    found = shares.copy()
    for place in limits.treatments.tolist():
        least = 0.0 if effect.do == "stop" else np.maximum(effect.factor * shares[:, place], limits.floor)
        found[:, place] = least
    found[:, limits.control] = 1 - np.delete(found, limits.control, axis=1).sum(axis=1)
    return found


def _in_steps(had: Floats, wanted: Floats, known: Bools, limit: float) -> Floats:
    """(m, k) what is stopped goes at once, to those that gain; then no share moves by more than the limit."""
    out = (wanted == 0) & (had > 0)
    gain = np.maximum(wanted - had, 0.0)
    freed, total = np.where(out, had, 0.0).sum(axis=1), gain.sum(axis=1)
    then = had + gain * np.divide(freed, total, out=np.zeros_like(freed), where=total > 0)[:, None]
    then[out] = 0.0
    farthest = np.abs(wanted - then).max(axis=1, initial=0.0)
    part = np.divide(limit, farthest, out=np.ones_like(farthest), where=farthest > limit)
    return np.where(known[:, None], then + part[:, None] * (wanted - then), wanted)


def _coupled(had: Floats, now: Floats, was: Ints) -> Floats:
    """(n, k) the maximal coupling's joint probabilities over the share of where the user was."""
    rows = np.arange(len(was))
    lost, gained = np.maximum(had - now, 0.0), np.maximum(now - had, 0.0)
    total = gained.sum(axis=1)
    joint = lost[rows, was][:, None] * np.divide(
        gained, total[:, None], out=np.zeros_like(now), where=total[:, None] > 0
    )
    joint[rows, was] += np.minimum(had, now)[rows, was]
    with np.errstate(invalid="ignore"):
        return np.asarray(joint / had[rows, was][:, None])


def _differ(some: Floats, others: Floats) -> Bools:
    return np.asarray(~(np.abs(some - others) <= _ROUNDING).all(axis=1))

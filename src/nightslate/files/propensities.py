"""The propensities of slates in a file of weights: what was likely to be shown where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.dropped_arms import MOST_DROPPED, propensities_after_drops
from nightslate.core.policies.plackett_luce import (
    conditional_propensities,
    marginal_propensities,
    marginal_propensities_of,
)
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import require
from nightslate.files.lists import Lists, group_lists, id_lists, number_lists, with_lists
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Rows, read
from nightslate.kernels.lists import in_lists
from nightslate.records.numbers import numbers

CANDIDATES, WEIGHTS, RANKING = "candidates", "weights", "ranking"
GROUPS, PENALTY = "groups", "penalty"
COLUMNS = ("slate_arms", "conditional", "marginal", "joint")
EXACT_SLOTS = 3
_PAST_END, _UNKNOWN = -1, -2
_NO_GROUP = -1


@dataclass(frozen=True)
class Propensities:
    """The good rows of a file with COLUMNS, and what there is to say about them."""

    table: pa.Table
    notes: tuple[str, ...]


def propensities(
    path: Path, slots: int, eligible: str | None = None, quarantine: Path | None = None
) -> Propensities:
    """The propensities of the first `slots` arms of each row's ranking, from its candidates and weights.

    With `eligible`, a column of lists, other candidates have no weight and leave the ranking, which stays
    Plackett-Luce. A row with a penalty was drawn under one, of the groups of its candidates: see
    `dropped_arms` for what follows once some are not eligible. conditional and marginal have a number for
    each of slate_arms, marginals null after slot 3 and under a penalty; joint is the probability of the whole
    slate. Of a file without rankings marginal has, for each slot, a list of the marginals of all candidates,
    and the others are null.

    Raises ContractError for a file or columns that cannot be used, or if no row is good, BadRowsError for bad
    rows if there is no quarantine, and InvalidInputError for slots under 1."""
    if slots < 1:
        raise InvalidInputError(f"slots count from 1, got {slots}")
    rows = read(path)
    bad, table = BadRows(rows), rows.table()
    require(rows.names, (CANDIDATES, WEIGHTS, *filter(None, (eligible,))))
    ranked = RANKING in rows.names and not pa.types.is_null(table[RANKING].type)
    names = [CANDIDATES, *([RANKING] if ranked else []), *([eligible] if eligible else [])]
    lists = {name: id_lists(rows, name, bad) for name in names}
    arms = pc.unique(lists[CANDIDATES].values)
    coded = {name: lists[name].coded(arms, _UNKNOWN) for name in names}
    slates = _Slates(
        arms,
        coded[CANDIDATES],
        number_lists(rows, WEIGHTS, bad),
        coded[RANKING] if ranked else None,
        coded[eligible] if eligible else None,
        slots,
    )
    if PENALTY in rows.names and not pa.types.is_null(table[PENALTY].type):
        slates.diversity = _Diversity.of(rows, bad, slates.faults)
    batches = [slates.propensities(chunk) for chunk in slates.chunks()]
    for reason, faulty in slates.faults.items():
        bad.blame(faulty, reason)
    with Refused(quarantine, (path,)) as refused:
        refused.add(path, bad.all(), rows.count)
        refused.settle()
    refused.require_some_left(path, int(np.count_nonzero(bad.good)))
    kept = with_lists(table.filter(pa.array(bad.good)), names, [WEIGHTS])
    for name in COLUMNS:
        column = pa.chunked_array([batch[name] for batch in batches])
        kept = kept.drop_columns([name] if name in kept.column_names else []).append_column(name, column)
    kept = kept.take(pa.array(np.argsort(rows.numbers[bad.good], kind="stable")))
    return Propensities(kept, (*refused.summary, *_notes(path, ranked, slots)))


@dataclass(frozen=True)
class _Diversity:
    """groups: of candidates, as numbers; penalties (n,) NaN where a row has none."""

    groups: Lists
    penalties: Floats

    @classmethod
    def of(cls, rows: Rows, bad: BadRows, faults: dict[str, Bools]) -> _Diversity:
        found, wrong = rows.values(PENALTY, numbers)
        penalties = np.array(found.cast(pa.float64()).to_numpy(zero_copy_only=False))
        none = found.is_null().to_numpy(zero_copy_only=False)
        outside = ~none & ~((penalties > 0) & (penalties <= 1))
        faults["penalty is not a number in (0, 1]"] = np.any([outside, *wrong.values()], axis=0)
        penalties[none] = np.nan
        if GROUPS not in rows.names:
            return cls(Lists(np.empty(0), np.zeros(len(penalties), dtype=np.int64)), penalties)
        groups = group_lists(rows, GROUPS, bad)
        return cls(groups.coded(pc.unique(groups.values).drop_null(), _NO_GROUP), penalties)

    def propensities(
        self, rows: Ints, lengths: Ints, weights: Floats, slates: Ints, allowed: Bools, depths: Ints
    ) -> Floats:
        """(m, slots) the conditional ones of some rows, of so many candidates, ranked so deep, under a
        penalty."""
        found = np.empty(slates.shape)
        for arms in np.unique(lengths):
            at = np.flatnonzero(lengths == arms)
            groups = self.groups.of_rows(rows[at], arms).astype(np.int64)
            of_slates = weights[at, :arms], self.penalties[rows[at]], groups
            found[at] = propensities_after_drops(*of_slates, slates[at], allowed[at, :arms], depths[at])
        return found


def _notes(path: Path, ranked: bool, slots: int) -> Iterator[str]:
    if not ranked:
        yield f"{path} has no column ranking: these are the marginals of all candidates, slot by slot"
    if slots > EXACT_SLOTS:
        yield f"marginals are exact for slots 1 to {EXACT_SLOTS}; those of later slots are null"


class _Slates:
    """Lists of arms, as numbers, and weights; and what is found wrong with them, (n,) a reason."""

    def __init__(
        self,
        arms: pa.Array,
        candidates: Lists,
        weights: Lists,
        ranking: Lists | None,
        eligible: Lists | None,
        slots: int,
    ) -> None:
        self.arms, self.candidates, self.weights = arms, candidates, weights
        self.ranking, self.eligible, self.slots = ranking, eligible, slots
        self.diversity: _Diversity | None = None
        self.faults: dict[str, Bools] = {}

    def chunks(self) -> Iterator[slice]:
        """Rows a few at a time: each list is held against the candidates, arm by arm."""
        all_rows = slice(0, len(self.candidates.lengths))
        others = [lists.widest(all_rows) for lists in (self.ranking, self.eligible, self.weights) if lists]
        widest = self.candidates.widest(all_rows)
        return row_chunks(all_rows.stop, bytes_per_row=(widest + 8) * (max(others) + widest + 8))

    def propensities(self, rows: slice) -> dict[str, pa.Array]:
        """The three columns of the sound rows among these."""
        width = max(self.candidates.widest(rows), self.weights.widest(rows))
        candidates = self.candidates.padded(rows, _PAST_END, width)
        weights = self.weights.padded(rows, 1.0, width)
        there = candidates != _PAST_END
        unfit = np.asarray((~np.isfinite(weights) | (weights <= 0)).any(axis=1))
        uneven = self.candidates.lengths[rows] != self.weights.lengths[rows]
        self._blame(rows, uneven, "candidates and weights are not equally many")
        self._blame(rows, unfit, "a weight is not finite and > 0")
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = np.isinf(weights.sum(axis=1)) & ~unfit
        self._blame(
            rows, beyond, "the weights sum to more than a float64 can hold: divide them by the largest"
        )
        self._blame(rows, _has_twice(candidates, there), "a candidate stands twice")
        allowed = there & self._is_eligible(rows, candidates)
        slates = self._slates(rows, candidates, allowed)
        penalised = self._penalised(rows, (there & ~allowed).sum(axis=1))
        sound = ~np.any([faulty[rows] for faulty in self.faults.values()], axis=0)
        weights, allowed = weights[sound], allowed[sound]
        if slates is None:
            return self._of_candidates(weights, allowed, self.candidates.lengths[rows][sound])
        slates = slates[sound]
        shown = self.arms.take(
            pa.array(np.take_along_axis(candidates[sound], slates, axis=1).ravel().astype(np.int64))
        )
        conditional = conditional_propensities(weights, slates, allowed)
        marginal = np.full(slates.shape, np.nan)
        marginal[:, :EXACT_SLOTS] = marginal_propensities_of(weights, slates[:, :EXACT_SLOTS], allowed)
        under_penalty = np.flatnonzero(penalised[sound])
        if self.diversity is not None and self.ranking is not None and under_penalty.size:
            at = rows.start + np.flatnonzero(sound)[under_penalty]
            lengths, depths = self.candidates.lengths[at], self.ranking.lengths[at]
            of_rows = weights[under_penalty], slates[under_penalty], allowed[under_penalty]
            conditional[under_penalty] = self.diversity.propensities(at, lengths, *of_rows, depths)
            marginal[under_penalty] = np.nan
        return {
            "slate_arms": in_lists(shown, self.slots),
            "conditional": in_lists(pa.array(conditional.ravel()), self.slots),
            "marginal": in_lists(pa.array(marginal.ravel(), from_pandas=True), self.slots),
            "joint": pa.array(conditional.prod(axis=1)),
        }

    def _penalised(self, rows: slice, dropped: Ints) -> Bools:
        """(m,) which of some rows were drawn under a penalty; dropped (m,): how many candidates may not be
        shown."""
        if self.diversity is None:
            return np.zeros(len(dropped), dtype=np.bool_)
        penalised = ~np.isnan(self.diversity.penalties[rows])
        uneven = self.diversity.groups.lengths[rows] != self.candidates.lengths[rows]
        self._blame(rows, penalised & uneven, "groups and candidates are not equally many")
        self._blame(
            rows,
            penalised & (dropped > MOST_DROPPED),
            f"penalty: more than {MOST_DROPPED} candidates are not eligible, so that no propensity follows",
        )
        if self.ranking is None:
            self._blame(rows, penalised, "penalty: without a ranking there is no propensity under one")
        return penalised

    def _is_eligible(self, rows: slice, candidates: AnyArray) -> Bools:
        if self.eligible is None:
            return np.ones(candidates.shape, dtype=np.bool_)
        eligible = self.eligible.padded(rows, _UNKNOWN, self.eligible.widest(rows))
        return np.asarray((candidates[:, :, None] == eligible[:, None, :]).any(axis=2))

    def _slates(self, rows: slice, candidates: AnyArray, allowed: Bools) -> Ints | None:
        """(m, slots) the place among the candidates of the arm in each slot, once others left the ranking."""
        if self.ranking is None:
            self._blame(rows, allowed.sum(axis=1) < self.slots, f"fewer than {self.slots} arms are eligible")
            return None
        ranking = self.ranking.padded(rows, _PAST_END, max(self.ranking.widest(rows), self.slots))
        ranked = ranking != _PAST_END
        same = (ranking[:, :, None] == candidates[:, None, :]) & ranked[:, :, None]
        self._blame(
            rows, (ranked & ~same.any(axis=2)).any(axis=1), "the ranking names an arm that is no candidate"
        )
        self._blame(rows, _has_twice(ranking, ranked), "the ranking names an arm twice")
        stays = (same & allowed[:, None, :]).any(axis=2)
        self._blame(rows, stays.sum(axis=1) < self.slots, f"fewer than {self.slots} ranked arms are eligible")
        first = np.argsort(~stays, axis=1, kind="stable")[:, : self.slots]
        return np.asarray(np.take_along_axis(same.argmax(axis=2), first, axis=1))

    def _of_candidates(self, weights: Floats, allowed: Bools, lengths: Ints) -> dict[str, pa.Array]:
        exact = min(self.slots, EXACT_SLOTS)
        marginals = np.stack(
            [marginal_propensities(weights, slot, allowed) for slot in range(1, exact + 1)], axis=1
        )
        values = marginals[
            np.broadcast_to(np.arange(weights.shape[1]) < lengths[:, None, None], marginals.shape)
        ]
        slots = np.tile(np.arange(self.slots), len(lengths))
        sizes = np.where(slots < exact, np.repeat(lengths, self.slots), 0)
        by_slot = pa.ListArray.from_arrays(
            pa.array(np.cumsum([0, *sizes]), pa.int32()), pa.array(values), mask=pa.array(slots >= exact)
        )
        return {
            "slate_arms": pa.nulls(len(lengths), pa.list_(pa.string())),
            "conditional": pa.nulls(len(lengths), pa.list_(pa.float64())),
            "marginal": in_lists(by_slot, self.slots),
            "joint": pa.nulls(len(lengths), pa.float64()),
        }

    def _blame(self, rows: slice, faulty: Bools, reason: str) -> None:
        everywhere = self.faults.setdefault(reason, np.zeros(len(self.candidates.lengths), dtype=np.bool_))
        everywhere[rows] |= faulty


def _has_twice(ids: AnyArray, there: Bools) -> Bools:
    """(m,) whether one of the ids (m, width) that are there stands twice in its row."""
    ordered = np.sort(np.where(there, ids, -np.arange(3, ids.shape[1] + 3)), axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))

"""Propensities of decisions that were cut from published slates.

The rec engine takes the ranking of a user's slate, drops the arms that are not eligible, and shows the first
of what is left. What is left is a Plackett-Luce ranking of the eligible arms, so the weights of the slate
give the propensity of each arm shown, exactly. This is so because rankings are drawn from those weights
alone: the weight of an arm does not depend on the arms before it. Where it does, by a diversity penalty, the
propensities are those of the slate as long as no arm was dropped, and sums over where the dropped ones may
have been ranked as long as these are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, row_chunks
from nightslate.core.policies.diversity import LEFT_OUT
from nightslate.core.policies.dropped_arms import MOST_DROPPED, propensities_after_drops
from nightslate.core.policies.plackett_luce import conditional_propensities, marginal_propensities
from nightslate.kernels.lists import codes, marked, matrix, places
from nightslate.kernels.slate_penalties import penalties
from nightslate.records.faults import Faults

SLATE_COLUMNS = (
    "slate_id",
    "user_id",
    "issue",
    "variant",
    "policy",
    "candidates",
    "weights",
    "groups",
    "penalty",
    "ranking",
    "propensities",
    "issue_probability",
)
TOLERANCE = 1e-6
"""How far a logged propensity may be from the slate's, relative to it: a little more than float32 loses."""

Kind = Literal["conditional", "marginal"]


def complete(rows: pa.Table, slates: pa.Table, kind: Kind) -> pa.Table:
    """The rows, in another order, with the propensities, issues and their probabilities, variants and
    policies of their slates filled in, and with a verdict.

    `rows`: conformed impressions, of each user all or none. `slates`: `SLATE_COLUMNS`, each slate once. A
    decision is the rows of a user that share a `decision_id`: all of them are accepted, or all are rejected
    for one reason. A decision without `slate_id` is accepted as it is; so is one whose slate is unknown, if
    it brings its propensities. Where the slate is known, they must be those that follow from it. `kind`: what
    the propensities of rows mean that do not say it themselves.
    """
    said = pc.fill_null(rows["propensity_kind"], kind)
    parts = (_completed(rows.filter(pc.equal(said, one)), slates, one) for one in _OF_THE_LAST)
    return pa.concat_tables([rows.schema.empty_table(), *parts])


def _completed(rows: pa.Table, slates: pa.Table, kind: Kind) -> pa.Table:
    """`complete` of rows of one kind."""
    decisions = _Decisions(rows, slates)
    decisions.check_claims()
    propensity = decisions.check_cut(kind)
    return decisions.completed(propensity)


class _Decisions:
    """The rows by decision and slot, each with its slate, and what there is to blame them for."""

    def __init__(self, rows: pa.Table, slates: pa.Table) -> None:
        number = _numbers(rows["user_id"]) * rows.num_rows + _numbers(rows["decision_id"])
        order = np.lexsort((rows["slot"].to_numpy(), number))
        self.rows, self.number = rows.take(pa.array(order)), number[order]
        self.slates = slates.combine_chunks()
        self.continued = np.append(False, self.number[1:] == self.number[:-1])[: len(order)]
        names = slates["slate_id"].combine_chunks()
        self.slate = pc.index_in(self.rows["slate_id"].combine_chunks(), names)
        self.known = _true(pc.equal(slates["user_id"].take(self.slate), self.rows["user_id"]))
        self.of_slate = {
            name: pc.if_else(pa.array(self.known), slates[name].take(self.slate), None)
            for name in ("issue", "variant", "policy", "issue_probability")
        }
        self.faults = Faults(len(order))

    def check_claims(self) -> None:
        """What shows before any weight is looked at."""
        named, rows = _numbers(self.rows["slate_id"]), self.rows
        missing = _true(rows["propensity"].is_null())
        self._reject(
            self.continued & (named != np.roll(named, 1)),
            "not_of_slate",
            "the rows of a decision have the same slate_id",
        )
        self._reject(
            (named >= 0) & ~self.known & missing,
            "unknown_slate",
            "slate_id is a slate that was published for the user, for ds or the day before",
        )
        for name in ("issue", "variant", "policy"):
            differs = _true(pc.not_equal(self.of_slate[name], rows[name]))
            self._reject(differs, "not_of_slate", f"{name} is the slate's")
        self._reject(
            self.known & (rows["slot"].to_numpy() != 1 + _place_in_run(self.continued)),
            "not_of_slate",
            "the slots of a decision are 1, 2 and so on without a gap",
        )

    def check_cut(self, kind: Kind) -> Floats:
        """(n,) the propensities that follow from the slates, the probabilities of issues included; NaN where
        none does."""
        n, rows = len(self.number), self.rows.select(["slot", "arm_id", "eligible_arms"])
        propensity, others, inexact = np.full(n, np.nan), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        for part in self._alike(np.flatnonzero(self.known & self.faults.good)):
            at = pa.array(part)
            slates = self.slates.take(self.slate.take(at))
            propensity[part], eligible = _cut(rows.take(at), slates, kind)
            inexact[part] = slates["penalty"].is_valid().to_numpy() & ~_exact(eligible, kind)
            others[part] = self.continued[part] & (eligible != np.roll(eligible, 1, axis=0)).any(axis=1)
        self._reject(others, "not_of_slate", "the rows of a decision have the same eligible_arms")
        self._reject(
            self.known & np.isnan(propensity),
            "not_of_slate",
            "the arms shown are the first of the slate's ranking that are eligible",
        )
        self._reject(
            inexact,
            LEFT_OUT,
            f"at most {MOST_DROPPED} candidates of a slate with a diversity penalty were removed, and"
            " propensities are conditional",
        )
        self._check_issue_probability()
        is_factor = (rows["slot"].to_numpy() == 1) | (kind == "marginal")
        propensity *= np.where(is_factor, _or_1(self.of_slate["issue_probability"]), 1.0)
        logged = self.rows["propensity"].to_numpy(zero_copy_only=False)
        self._reject(
            np.abs(logged / propensity - 1) > TOLERANCE,
            "propensity_mismatch",
            f"propensity is the {kind} one that follows from the slate, to {TOLERANCE:g} of it",
        )
        return propensity

    def _check_issue_probability(self) -> None:
        logged = self.rows["issue_probability"]
        differs = np.abs(_or_1(logged) / _or_1(self.of_slate["issue_probability"]) - 1) > TOLERANCE
        self._reject(
            self.known & _true(logged.is_valid()) & differs,
            "propensity_mismatch",
            f"issue_probability is the slate's, to {TOLERANCE:g} of it",
        )

    def completed(self, propensity: Floats) -> pa.Table:
        """The rows with their verdicts; those that are rejected stay as they came."""
        reasons, clauses = self.faults.columns()
        found = {
            "propensity": pa.array(propensity, mask=np.isnan(propensity)),
            **self.of_slate,
        }
        columns = {
            name: pc.coalesce(self.rows[name], pc.if_else(reasons.is_null(), values, None))
            for name, values in found.items()
        }
        rows = self.rows
        for name, values in {**columns, "_reason": reasons, "_clause": clauses}.items():
            rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
        return rows

    def _reject(self, broken: Bools, reason: str, clause: str) -> None:
        self.faults.blame(np.isin(self.number, self.number[broken]), reason, clause)

    def _alike(self, rows: Ints) -> Iterator[Ints]:
        """The rows in chunks of whole decisions, all of whose slates have as many candidates and as many
        ranked arms."""
        at = self.slate.take(pa.array(rows))
        lengths = [pc.list_value_length(self.slates[n]).take(at) for n in ("candidates", "ranking")]
        shapes, shape = np.unique(np.column_stack(lengths), axis=0, return_inverse=True)
        for number, (arms, _) in enumerate(shapes):
            alike = rows[shape == number]
            starts = np.append(np.flatnonzero(~self.continued[alike]), len(alike))
            slots = int(np.diff(starts).max())
            for chunk in row_chunks(len(starts) - 1, bytes_per_row=8 * int(arms) * 4 * slots):
                yield alike[starts[chunk.start] : starts[chunk.stop]]


def _cut(rows: pa.Table, slate: pa.Table, kind: Kind) -> tuple[Floats, Bools]:
    """(n,) the propensity of each row's arm in its slot, NaN where the slate would not have shown it there;
    (n, candidates) which of its slate's candidates were eligible."""
    ids = pc.unique(pc.list_flatten(slate["candidates"]))
    candidates, n = codes(slate["candidates"], ids), len(rows)
    arms, each = candidates.shape[1], np.arange(n)
    place = np.full((n, len(ids) + 1), arms)  # of an arm among the row's candidates; `arms` if it is none
    np.put_along_axis(place, candidates, np.arange(arms)[None, :], axis=1)
    eligible = _eligible(rows["eligible_arms"].combine_chunks(), ids, place)
    ranking = np.take_along_axis(place, codes(slate["ranking"], ids), axis=1)
    kept = np.take_along_axis(eligible, ranking, axis=1)
    left = np.take_along_axis(ranking, np.argsort(~kept, axis=1, kind="stable"), axis=1)
    slot, shown = rows["slot"].to_numpy(), place[each, places(rows["arm_id"], ids)]
    next_left = left[each, np.minimum(slot, left.shape[1]) - 1]
    fits = (slot <= kept.sum(axis=1)) & (shown == next_left)
    weights, propensity = matrix(slate["weights"]), np.full(n, np.nan)
    penalised, stored = slate["penalty"].is_valid().to_numpy(), matrix(slate["propensities"])
    for depth in np.unique(slot[fits]):
        at = np.flatnonzero(fits & (slot == depth))
        propensity[at] = _OF_THE_LAST[kind](weights[at], left[at, :depth], eligible[at])
        propensity[at[penalised[at]]] = stored[at[penalised[at]], depth - 1]
        dropped = at[penalised[at] & ~eligible[at].all(axis=1) & _exact(eligible[at], kind)]
        if dropped.size:
            penalty, groups = penalties(slate, arms)
            of_slates = weights[dropped], penalty[dropped], groups[dropped]
            shown_arms, ranked = left[dropped, :depth], np.full(len(dropped), ranking.shape[1])
            after = propensities_after_drops(*of_slates, shown_arms, eligible[dropped], ranked)
            propensity[dropped] = after[:, -1]
    return propensity, eligible


def _exact(eligible: Bools, kind: Kind) -> Bools:
    """(n,) whether a propensity follows from a penalised slate, of whose candidates (n, A) some were dropped.

    If not, it is `LEFT_OUT` also where the head of the ranking was shown unchanged: who may be shown is
    settled before the draw, so leaving out by it biases nothing, whereas keeping only rankings that came
    through unchanged would select by what was drawn."""
    return np.asarray(((~eligible).sum(axis=1) <= MOST_DROPPED) & (kind == "conditional"))


def _eligible(lists: pa.Array, ids: pa.Array, place: Ints) -> Bools:
    """(n, candidates): which candidates a row's list names; all of them where it is null."""
    row = pc.list_parent_indices(lists).to_numpy()
    return marked(lists, place[row, places(pc.list_flatten(lists), ids)], int(place.max()))


def _last_conditional(weights: AnyArray, shown: Ints, eligible: Bools) -> Floats:
    return conditional_propensities(weights, shown, eligible)[:, -1]


def _last_marginal(weights: AnyArray, shown: Ints, eligible: Bools) -> Floats:
    in_slot = marginal_propensities(weights, shown.shape[1], eligible)
    return np.take_along_axis(in_slot, shown[:, -1:], axis=1)[:, 0]


_OF_THE_LAST: dict[Kind, Callable[[AnyArray, Ints, Bools], Floats]] = {
    "conditional": _last_conditional,
    "marginal": _last_marginal,
}
"""(n,): the propensity of the last of the arms shown (n, slots), of each kind."""


def _place_in_run(continued: Bools) -> Ints:
    """(n,): 0 where a run starts, then 1, 2, ... for as long as it is continued."""
    at = np.arange(len(continued))
    return np.asarray(at - np.maximum.accumulate(np.where(continued, 0, at)))


def _numbers(ids: pa.ChunkedArray) -> Ints:
    """(n,): equal ids as equal numbers from 0, null as -1."""
    numbers = ids.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(numbers, -1), dtype=np.int64)


def _or_1(probabilities: pa.ChunkedArray) -> Floats:
    """(n,): null as 1."""
    return np.asarray(pc.fill_null(probabilities, 1.0).to_numpy(), dtype=np.float64)


def _true(condition: pa.ChunkedArray) -> Bools:
    """(n,): null as false."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=np.bool_)

"""Decisions that the app has served, recomputed from what a night knows of them by its tables alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import hex_to_uint64
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.kernels.audit import TOLERANCE, recomputed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.lists import codes, items, marked, matrix, places
from nightslate.kernels.slate_penalties import penalties
from nightslate.serving.ranking import ServedModel
from nightslate.serving.recomputed_draws import RecomputedDraws
from nightslate.serving.released import Released
from nightslate.serving.requests import Request

SERVED = arrow.types(load("served_decisions").file_columns)
DECISION_COLUMNS = (
    *("decision_id", "slot", "user_id", "occurred_at", "issue", "arm_id", "propensity", "propensity_kind"),
    "slate_id",
    *("eligible_arms", "variant", "policy", "model_digest", "release_digest", "issue_probability"),
    "issue_models",
)
"""What is read of impressions, beside the columns of contexts."""

ANOTHER_ARM = "the arm is not the one that was drawn"
ANOTHER_PROPENSITY = f"the propensity is not the one that the model gives, to {TOLERANCE:g} of it"
NOT_SERVED = "its user or arms are none that the model would have been asked about"
NOT_OF_THE_RELEASE = "model, policy, issue or variant are not those of its release"
ANOTHER_ISSUE = "the issue or its probability is not what was drawn"
ANOTHER_VARIANT = "its user is in another variant"
NO_RELEASE = "its release is none that a night has recorded"
NO_DECISION = "its decision_id is none that the app gives"
RELEASE_GONE = "the files of its release are gone"
DRAW_GONE = "the models that its issue was drawn by are gone, or it names none"
REPLACED_GONE = "it does not follow from what is there, and what a night had replaced is gone"

_ID = "^[0-9a-f]{32}$"


@dataclass(frozen=True)
class RecomputedDecisions:
    """Of the decisions of a day. released: by digest; what is not there is at fault, but for what is gone:
    digests of releases that nights have recorded and of which there are no whole files any more. draws: of
    programs that draw one of several issues."""

    day: date
    released: Mapping[str, Released]
    gone: Collection[str] = ()
    draws: RecomputedDraws | None = None

    def __call__(self, shown: pa.Table) -> pa.Table:
        """`SERVED`, a row for each of these, in another order. shown: impressions that the app has served, of
        each decision all, with the contexts that their users had then."""
        parts = [SERVED.empty_table()]
        groups = shown.group_by(["release_digest", "variant"], use_threads=False).aggregate([])
        for release, variant in zip(
            *groups.select(["release_digest", "variant"]).to_pydict().values(), strict=True
        ):
            rows = shown.filter((pc.field("release_digest") == release) & _is(variant))
            parts.append(self._of_release(rows, release, variant))
        return pa.concat_tables(parts)

    def _of_release(self, rows: pa.Table, release: str | None, variant: str | None) -> pa.Table:
        """Of rows that name one release and one variant."""
        found = self.released.get(release or "")
        if found is None:
            gone = release in self.gone
            return _verdicts(rows, unknown=RELEASE_GONE) if gone else _verdicts(rows, NO_RELEASE)
        if variant not in found.release.variants:
            return _verdicts(rows, NOT_OF_THE_RELEASE)
        ids = np.asarray(pc.match_substring_regex(rows["decision_id"], _ID))
        parts = [_verdicts(rows.filter(pa.array(~ids)), NO_DECISION)]
        rows = rows.filter(pa.array(ids))
        keys, dealt = user_keys(rows), np.zeros(rows.num_rows, dtype=np.bool_)
        for assignment in found.assignments:
            dealt |= assignment.variants(keys) == variant
        parts.append(_verdicts(rows.filter(pa.array(~dealt)), ANOTHER_VARIANT))
        rows = rows.filter(pa.array(dealt))
        otherwise, unknown = self._draws(rows)
        parts.append(_verdicts(rows.filter(pa.array(otherwise)), ANOTHER_ISSUE))
        for some, why in ((~otherwise & ~unknown, None), (unknown, DRAW_GONE)):
            parts.append(_by_any(rows.filter(pa.array(some)), found, variant, self.day, why))
        verdicts = pa.concat_tables(parts)
        return verdicts if found.complete else _rather_unknown(verdicts)

    def _draws(self, rows: pa.Table) -> tuple[Bools, Bools]:
        """(n,) each: of which the issue is not what was drawn, and of which nobody can tell any more."""
        if self.draws is not None:
            return self.draws(rows)
        none = np.zeros(rows.num_rows, dtype=np.bool_)
        return rows["issue_probability"].is_valid().to_numpy(), none


class _Recomputation:
    """Of rows of one release and variant, by one model with its multipliers."""

    def __init__(self, rows: pa.Table, model: ServedModel, variant: str, day: date) -> None:
        self.rows, self.model, self.variant, self.day = rows, model, variant, day
        coded = rows["decision_id"].combine_chunks().dictionary_encode()
        self.decision: Ints = np.asarray(
            coded.indices, dtype=np.int64
        )  # of each row, its place among decisions
        _, first = np.unique(self.decision, return_index=True)
        self.decisions = rows.take(pa.array(first))

    def verdicts(self, unknown: str | None) -> pa.Table:
        """`SERVED` of the rows, in their order; unknown: what of all of them can't be told."""
        expected, arms = self._expected()
        expected *= self._issue_factor()
        with np.errstate(invalid="ignore"):
            exact = np.abs(self.rows["propensity"].to_numpy() / expected - 1) <= TOLERANCE
        faults = np.full(len(expected), None, dtype=object)
        faults[~exact] = ANOTHER_PROPENSITY
        faults[_differ(arms, self.rows["arm_id"])] = ANOTHER_ARM
        faults[np.isnan(expected)] = NOT_SERVED
        faults[self._misnamed()] = NOT_OF_THE_RELEASE
        return _verdicts(
            self.rows, pa.array(faults, pa.string()), pa.array(expected, mask=np.isnan(expected)), unknown
        )

    def _issue_factor(self) -> Floats:
        """(n,) the probability of the issue where it is a factor of the propensity, else 1."""
        chance = pc.fill_null(self.rows["issue_probability"], 1.0).to_numpy()
        marginal = np.asarray(pc.equal(self.rows["propensity_kind"], "marginal"))
        return np.asarray(np.where(marginal | (self.rows["slot"].to_numpy() == 1), chance, 1.0))

    def _misnamed(self) -> Bools:
        release, wrong = self.model.release, np.zeros(self.rows.num_rows, dtype=np.bool_)
        said = {"issue": release.issue, "policy": release.learner, "model_digest": release.model_digest}
        for name, value in said.items():
            wrong |= _differ(pa.chunked_array([pa.repeat(value, len(wrong))]), self.rows[name])
        return wrong

    def _expected(self) -> tuple[Floats, pa.ChunkedArray]:
        """(n,) the propensity of what the model ranks in each row's slot, and its arm; NaN and null where the
        user would have been ranked nothing there."""
        slates = self._slates()
        ranking = slates["ranking"].combine_chunks()
        offsets, flat = np.asarray(ranking.offsets), ranking.flatten()
        slot = self.rows["slot"].to_numpy()
        at = offsets[self.decision] + slot - 1
        there = at < offsets[self.decision + 1]
        places = pa.array(at, mask=~there)
        by_kind = {
            kind: pa.array(_propensities(slates, offsets, kind)).take(places)
            for kind in pc.unique(self.rows["propensity_kind"]).to_pylist()
        }
        found = np.full(len(at), np.nan)
        for kind, values in by_kind.items():
            mine = np.asarray(pc.equal(self.rows["propensity_kind"], kind)) & there
            found[mine] = values.to_numpy(zero_copy_only=False)[mine]
        return found, pa.chunked_array([flat.take(places)])

    def _slates(self) -> pa.Table:
        """Of each decision; one that names arms which the model does not rank is ranked nothing."""
        context = [feature.name for feature in self.model.release.context]
        lists, arms = self.decisions["eligible_arms"].combine_chunks(), self.model.model.arms
        eligible = None
        if lists.null_count < len(lists):
            place = places(pc.list_flatten(lists), pa.array(arms, pa.string()))
            eligible = marked(lists, place, len(arms))
            eligible[pc.list_parent_indices(lists).to_numpy()[place == len(arms)]] = False
        users = self.decisions.select(["user_id", *context])
        request = Request(users, [self.day], np.zeros(users.num_rows, dtype=np.int64), eligible)
        ids = np.array(self.decisions["decision_id"].to_pylist(), dtype=np.str_)
        return self.model.slates(request, self.variant, hex_to_uint64(ids))


def _propensities(slates: pa.Table, offsets: Ints, kind: str) -> Floats:
    """Of all ranked arms of these slates, one after another, by the definition from the weights."""
    found, lengths = np.full(int(offsets[-1]), np.nan), np.asarray(pc.list_value_length(slates["candidates"]))
    for length in np.unique(lengths[lengths > 0]):
        at = np.flatnonzero(lengths == length)
        mine = slates.take(pa.array(at))
        arm_ids = pc.unique(items(mine["candidates"]))
        candidates, ranking = (codes(mine[name], arm_ids) for name in ("candidates", "ranking"))
        place_of = np.full((len(at), len(arm_ids) + 1), -1)
        np.put_along_axis(place_of, candidates, np.arange(length)[None, :], axis=1)
        place = np.take_along_axis(place_of, ranking, axis=1)
        weights = matrix(mine["weights"]).astype(np.float64)
        penalised = mine["penalty"].null_count < len(at)
        of_slots = recomputed(weights, place, penalties(mine, int(length)) if penalised else None)
        if kind == "marginal":
            for slot in range(1, min(place.shape[1], 3)):
                in_slot = marginal_propensities(weights, slot + 1)
                of_slots[:, slot] = np.take_along_axis(in_slot, place[:, [slot]], axis=1)[:, 0]
        found[offsets[at][:, None] + np.arange(place.shape[1])] = of_slots
    return found


def _by_any(rows: pa.Table, found: Released, variant: str, day: date, unknown: str | None) -> pa.Table:
    """Verdicts on rows of a release and variant, by whichever of its models made each."""
    verdicts = [_Recomputation(rows, each, variant, day).verdicts(unknown) for each in found.served()]
    return _best(verdicts) if rows.num_rows and verdicts else SERVED.empty_table()


def _rather_unknown(verdicts: pa.Table) -> pa.Table:
    """Where it can't be told any more by what users were dealt to variants and which multipliers there were,
    a row that differs may be right."""
    may_be = pc.is_in(verdicts["fault"], pa.array([ANOTHER_ARM, ANOTHER_PROPENSITY, ANOTHER_VARIANT]))
    unknown = pc.if_else(may_be, REPLACED_GONE, verdicts["unknown"])
    for name, column in (("fault", pc.if_else(may_be, None, verdicts["fault"])), ("unknown", unknown)):
        verdicts = verdicts.set_column(SERVED.get_field_index(name), SERVED.field(name), column)
    return verdicts


def _best(verdicts: Sequence[pa.Table]) -> pa.Table:
    """Of verdicts on the same rows, in one order, that of the first without a fault for each row."""
    best = verdicts[0]
    for other in verdicts[1:]:
        better = pc.and_(best["fault"].is_valid(), other["fault"].is_null())
        at = pc.if_else(better, best.num_rows, 0)
        places = pc.add(pa.array(np.arange(best.num_rows)), at)
        best = pa.concat_tables([best, other]).take(places)
    return best


def _verdicts(
    rows: pa.Table,
    fault: str | pa.Array | None = None,
    expected: pa.Array | None = None,
    unknown: str | None = None,
) -> pa.Table:
    columns = {name: rows[name] for name in SERVED.names if name in rows.column_names}
    columns["recomputed"] = pa.nulls(rows.num_rows, pa.float64()) if expected is None else expected
    columns["fault"] = fault if isinstance(fault, pa.Array) else _said(fault, rows)
    columns["unknown"] = _said(unknown, rows)
    return pa.table([columns[name] for name in SERVED.names], schema=SERVED)


def _said(text: str | None, rows: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows.num_rows)


def _differ(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Bools:
    """(n,) where two columns differ; null differs from what is not."""
    same = pc.fill_null(pc.equal(left, right), False)
    return ~np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _is(variant: str | None) -> pc.Expression:
    return pc.field("variant").is_null() if variant is None else pc.field("variant") == variant

"""Contacts of users, counted by joins: what a second look at contact rules goes by."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.kernels.contacts import Contacts
from nightslate.records.instants import INSTANT


def coming_of(contacts: Contacts, people: pa.Array, impressions: pa.Table, slates: pa.Table) -> Ints:
    """(n,) how many published slates that no impression names may still be a contact."""
    if contacts.rules.expires:
        return np.zeros(len(people), np.int64)
    uncounted = pa.array(contacts.uncounted, pa.string())
    counts = np.zeros(slates.num_rows, np.bool_)
    lengths, issue = pc.list_value_length(slates["ranking"]).to_numpy(), slates["issue"].to_pylist()
    slots = np.array([contacts.issues[name].slots if name in contacts.issues else 1 for name in issue])
    for slot in range(int(slots.max(initial=0))):
        there = np.flatnonzero((slot < slots) & (slot < lengths))
        arms = pc.list_element(slates["ranking"].take(pa.array(there)), slot)
        counts[there] |= ~pc.is_in(arms, uncounted).to_numpy()
    left = slates.select(["slate_id", "user_id"]).filter(pa.array(counts))
    named = impressions.select(["slate_id"]).filter(impressions["slate_id"].is_valid())
    unshown = left.join(named, "slate_id", join_type="left anti")
    return _by_user(people, unshown.group_by("user_id").aggregate([([], "count_all")]), "count_all")


def decisions_since(
    contacts: Contacts,
    people: pa.Array,
    impressions: pa.Table,
    since: datetime,
    until: datetime,
    among: Collection[str] | None = None,
) -> Ints:
    """(n,) each user's decisions that showed what counts in [since, until), and not before. among: of these
    arms alone."""
    if among is not None:
        impressions = impressions.filter(pc.is_in(impressions["arm_id"], pa.array([*among], pa.string())))
    at, decision = impressions["occurred_at"].cast(INSTANT), ["user_id", "decision_id"]
    uncounted = pa.array(contacts.uncounted, pa.string())
    rows = impressions.select(decision).append_column("at", at)
    rows = rows.filter(pc.and_(pc.invert(pc.is_in(impressions["arm_id"], uncounted)), pc.less(at, until)))
    early = pc.less(rows["at"], since)
    late = rows.filter(pc.invert(early)).select(decision)
    begun = late.join(rows.filter(early).select(decision), decision, join_type="left anti")
    return _by_user(
        people,
        begun.group_by("user_id").aggregate([("decision_id", "count_distinct")]),
        "decision_id_count_distinct",
    )


def _by_user(people: pa.Array, counted: pa.Table, name: str) -> Ints:
    place = pc.index_in(people, counted["user_id"].combine_chunks())
    return np.asarray(pc.fill_null(counted[name].combine_chunks().take(place), 0))

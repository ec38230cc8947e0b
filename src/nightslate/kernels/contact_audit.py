"""A second look at whom contact rules withhold and at the times of slates: by joins, minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.core.hashing import mix, seed
from nightslate.kernels.audit import FAULTS, faults_of
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cap_audit import (
    closed_by_joins,
    has_an_arm,
    reached_by_channel,
    transactional_and_counting,
)
from nightslate.kernels.conditions import holding
from nightslate.kernels.contact_joins import coming_of, decisions_since
from nightslate.kernels.contacts import Contacts
from nightslate.kernels.show_times import COLUMNS, ShowTimes, zone_named
from nightslate.programs.days import end_of, in_short
from nightslate.records.instants import INSTANT

_MINUTE = timedelta(minutes=1)
_BITS = 52


def withheld_faults(
    contacts: Contacts, users: pa.Table, impressions: pa.Table, slates: pa.Table, withheld: pa.Table
) -> pa.Table:
    """`FAULTS` of `withheld`, of some users, whose rules are applied once more; the rest as
    `Contacts.withheld` takes it."""
    people, rules = users["user_id"].combine_chunks(), contacts.rules
    tonight, coming = contacts.slates_tonight(users), coming_of(contacts, people, impressions, slates)
    reached = reached_by_channel(contacts, users)
    exempt, counting = transactional_and_counting(contacts, users, reached)
    start = end_of(contacts.slate_date - timedelta(days=1))
    holdout = np.zeros(users.num_rows, np.bool_)
    if rules.holdout:
        drawn = mix(user_keys(users), seed(contacts.salt, "holdout")) >> np.uint64(64 - _BITS)
        holdout = drawn.astype(np.float64) + 0.5 < rules.holdout.share * 2.0**_BITS
    none = pa.array(np.zeros(users.num_rows, np.bool_))
    opted = pc.fill_null(holding(users, contacts.opt_out), True) if contacts.opt_out else none
    held = [("holdout", pa.array(holdout)), ("opted_out", opted)]
    held += [("not_concerned", _unconcerned(contacts, users)), ("no_channel", pa.array(tonight == 0))]
    ruled = [
        (limit.period, limit.most, f"limit of {limit.most} in {in_short(limit.period)}")
        for limit in rules.limits
        if limit.of_all_contacts
    ]
    ruled += [(rules.gap, 1, f"gap of {in_short(rules.gap)}")] if rules.gap else []
    beyond = []
    for period, most, name in ruled:
        before = decisions_since(contacts, people, impressions, start - period, start)
        held.append((name, pa.array((counting > 0) & ~exempt & (before + counting > most))))
        beyond.append((counting > 0) & ~exempt & (before + counting + coming > most))
    held.append(
        ("pending", pa.array(np.any(beyond, axis=0) if beyond else np.zeros(users.num_rows, np.bool_)))
    )
    if contacts.caps.limits or contacts.caps.transactional:
        closed = closed_by_joins(contacts, users, impressions, slates)
        held.append(
            ("limit by channel or arm", pa.array((tonight > 0) & ~has_an_arm(contacts, users, closed)))
        )
    times = ShowTimes.of(rules, contacts.slate_date)
    if times:
        zones = users[times.zone].to_pylist() if times.zone else [None] * users.num_rows
        open_minutes = {zone: bool(_open_by_minutes(times, zone)) for zone in set(zones)}
        quiet = np.array([not open_minutes[zone] for zone in zones], dtype=np.bool_)
        held.append(("quiet", pa.array(quiet & ~exempt)))
    conditions = pc.make_struct(
        *(values for _, values in held), field_names=[str(n) for n in range(len(held))]
    )
    expected = pc.case_when(conditions, *(pa.scalar(name) for name, _ in held))
    expected = pc.fill_null(expected, "")
    return pa.concat_tables([FAULTS.empty_table(), *_compared(people, expected, withheld)])


def _unconcerned(contacts: Contacts, users: pa.Table) -> pa.Array:
    """(n,) whom no issue is for."""
    concerned = [issue.users(users)["user_id"] for issue in contacts.issues.values()]
    ids = pa.chunked_array([chunk for each in concerned for chunk in each.chunks], pa.string())
    return pc.invert(pc.is_in(users["user_id"], ids.combine_chunks())).combine_chunks()


def _compared(people: pa.Array, expected: pa.Array, withheld: pa.Table) -> Iterator[pa.Table]:
    """What is wrong of each kind, given the rule (n,) that withholds each user; empty for none."""
    place = pc.index_in(people, withheld["user_id"].combine_chunks())
    reasons = pc.fill_null(withheld["reason"].combine_chunks().take(place), "")
    for rule in pc.unique(expected).to_pylist():
        ruled, kind = pc.equal(expected, rule), rule.partition(" ")[0]
        wrong = people.filter(pc.and_(ruled, pc.not_equal(reasons, kind)))
        fault = f"a user is not withheld as by rule ({rule})" if rule else "a user is withheld by no rule"
        yield faults_of(fault, wrong)
    strangers = withheld["user_id"].filter(pc.invert(pc.is_in(withheld["user_id"], people)))
    yield faults_of("somebody is withheld who is no user of the day", strangers.combine_chunks())


def capped_faults(
    contacts: Contacts,
    users: pa.Table,
    impressions: pa.Table,
    slates: pa.Table,
    withheld: pa.Table,
    capped: pa.Table,
) -> pa.Table:
    """`FAULTS` of `capped`, of some users, whose limits are applied once more; the rest as `Contacts.capped`
    takes it."""
    people = users["user_id"].combine_chunks()
    served = pc.invert(pc.is_in(people, withheld["user_id"].combine_chunks()))
    expected = closed_by_joins(contacts, users, impressions, slates)
    said = {(row["closed"], row["name"]) for row in capped.select(["closed", "name"]).to_pylist()}
    parts = [FAULTS.empty_table()]
    for kind, name in sorted({*expected, *said}):
        rows = capped.filter(pc.and_(pc.equal(capped["closed"], kind), pc.equal(capped["name"], name)))
        shut = pc.and_(pa.array(expected.get((kind, name), np.zeros(len(people), np.bool_))), served)
        wrong = pc.xor(shut, pc.is_in(people, rows["user_id"].combine_chunks()))
        parts.append(
            faults_of("a channel or an arm is not closed to a user as limits say", people.filter(wrong))
        )
    strangers = capped["user_id"].filter(pc.invert(pc.is_in(capped["user_id"], people.filter(served))))
    parts.append(faults_of("something is closed to somebody who gets no slate", strangers.combine_chunks()))
    return pa.concat_tables(parts)


def faults_of_withheld(slates: pa.Table, withheld: pa.Table) -> pa.Table:
    """`FAULTS` of slates for users who are withheld."""
    of_withheld = pc.is_in(slates["user_id"], withheld["user_id"].combine_chunks())
    return faults_of(
        "a slate is for a user whom contact rules withhold", slates["slate_id"].filter(of_withheld)
    )


def time_faults(slates: pa.Table, people: pa.Table, times: ShowTimes | None) -> pa.Table:
    """`FAULTS` of the times at which slates may be shown. people: who gets slates, with their zones."""
    if times is None:
        wrong = np.zeros(slates.num_rows, np.bool_)
        for name in COLUMNS:
            wrong |= slates[name].is_valid().to_numpy()
        return faults_of(
            "a slate has times, and no rule says any", slates["slate_id"].filter(pa.array(wrong))
        )
    known = slates.filter(pc.is_in(slates["user_id"], people["user_id"].combine_chunks()))
    place = pc.index_in(known["user_id"], people["user_id"].combine_chunks()).combine_chunks()
    zones = (
        people[times.zone].combine_chunks().take(place) if times.zone else pa.nulls(len(place), pa.string())
    )
    wrong = np.zeros(known.num_rows, np.bool_)
    for zone in pc.unique(zones).to_pylist():
        mine = np.flatnonzero(pc.fill_null(pc.equal(zones, zone), False) if zone else zones.is_null())
        runs = _open_by_minutes(times, zone)
        for end, name in enumerate(COLUMNS):
            found = known[name].take(pa.array(mine)).combine_chunks()
            wrong[mine] |= ~_are(found, pa.array([run[end] for run in runs], INSTANT))
    return faults_of(
        "a slate may be shown at other times than rules allow", known["slate_id"].filter(pa.array(wrong))
    )


def _are(lists: pa.Array, wanted: pa.Array) -> Bools:
    """(n,) which lists are the one that is wanted."""
    right = pc.fill_null(pc.equal(pc.list_value_length(lists), len(wanted)), False).to_numpy(
        zero_copy_only=False
    )
    alike = np.flatnonzero(right)
    if alike.size and len(wanted):
        values = pc.list_flatten(lists.take(pa.array(alike))).cast(INSTANT).cast(pa.int64()).to_numpy()
        right[alike] = (values.reshape(alike.size, -1) == wanted.cast(pa.int64()).to_numpy()).all(axis=1)
    return np.asarray(right)


def _open_by_minutes(times: ShowTimes, zone: str | None) -> list[tuple[datetime, datetime]]:
    """The times that are left in a zone, each minute of the day asked for itself."""
    start, end = (end_of(times.slate_date - timedelta(days=back)) for back in (1, 0))
    found, where = list[tuple[datetime, datetime]](), zone_named(zone) or UTC
    for number in range(int((end - start) / _MINUTE)):
        now = start + number * _MINUTE
        if not times.quiet.is_quiet(now, where):
            since = found.pop()[0] if found and found[-1][1] == now else now
            found.append((since, now + _MINUTE))
    return found

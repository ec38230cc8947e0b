"""What a night says of contacts: how many users have, and which of the day the rules did not allow."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.core.contact_limits import ContactLimit, exceeding
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contact_caps import contacts_among
from nightslate.kernels.contacts import (
    Contacts,
    contacts_of,
    first_moment_after,
    in_holdout,
    period_of,
)
from nightslate.kernels.show_times import ShowTimes
from nightslate.programs.days import in_short, microseconds

COUNTS = pa.schema([("what", pa.string()), ("of", pa.string()), ("value", pa.int64())])

RECENT = timedelta(days=7)
MANY = 20
"""Contacts of a user in the last days are counted one by one below so many."""


def contact_counts(rules: Contacts, users: pa.Table, impressions: pa.Table) -> pa.Table:
    """`COUNTS` of some users: `users`; `unknown_zone`, those who have none; `recent`, of so many contacts in
    the last days the users; `breach`, the contacts of the day before the slates' that a limit or the gap did
    not allow, or that holdout users had."""
    contacts, times = contacts_of(impressions, rules.uncounted), ShowTimes.of(rules.rules, rules.slate_date)
    rows = [("users", "", users.num_rows)]
    rows += [("unknown_zone", "", times.in_unknown_zones(users))] if times else []
    rows += [("recent", str(number), of) for number, of in _recent(rules, users, contacts).items()]
    rows += [("breach", rule, number) for rule, number in _breaches(rules, contacts).items()]
    rows += [("breach", rule, number) for rule, number in _breaches_of_caps(rules, impressions).items()]
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], schema=COUNTS)


def _recent(rules: Contacts, users: pa.Table, contacts: pa.Table) -> dict[int, int]:
    """How many users had so many contacts in the last days; those who had many are counted together."""
    place = pc.index_in(contacts["user_id"], users["user_id"].combine_chunks())
    at, known = contacts["at"].to_numpy(), pc.fill_null(place, -1).to_numpy()
    late = (rules.begin - microseconds(RECENT) <= at) & (at < rules.begin) & (known >= 0)
    each = np.bincount(known[late], minlength=users.num_rows)[: users.num_rows]
    numbers, found = np.unique(np.minimum(each, MANY), return_counts=True)
    return dict(zip(numbers.tolist(), found.tolist(), strict=True))


def _breaches(rules: Contacts, contacts: pa.Table) -> dict[str, int]:
    """By rule, the contacts of the newest day that it did not allow."""
    found = {_in_words(limit): _exceeding(rules, limit, contacts, ["user_id"]) for limit in rules.limits}
    if rules.rules.holdout:
        keys = user_keys(contacts.filter(pa.array(_of_newest_day(rules, contacts))))
        found["holdout"] = int(in_holdout(keys, rules.rules.holdout.share, rules.salt).sum())
    return found


def _breaches_of_caps(rules: Contacts, impressions: pa.Table) -> dict[str, int]:
    """The same of limits by channel and by arm."""
    counts = pc.invert(pc.is_in(impressions["arm_id"], pa.array(rules.uncounted, pa.string())))
    found = dict[str, int]()
    for said in rules.caps.limits:
        limit = ContactLimit("limit", said.most, microseconds(said.period))
        if said.channel is None:
            contacts = contacts_among(impressions, counts, by=["arm_id"])
            number = _exceeding(rules, limit, contacts, ["user_id", "arm_id"])
        else:
            arms = pa.array(rules.caps.arms_of(said.channel), pa.string())
            contacts = contacts_among(impressions, pc.and_(counts, pc.is_in(impressions["arm_id"], arms)))
            number = _exceeding(rules, limit, contacts, ["user_id"])
        found[f"{said.most} in {in_short(said.period)} {said.of}"] = number
    return found


def _exceeding(rules: Contacts, limit: ContactLimit, contacts: pa.Table, of: list[str]) -> int:
    """The contacts of the newest day that a limit did not allow, of each of these for itself."""
    by = [contacts[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in of]
    group = by[0].astype(np.int64)
    for codes in by[1:]:
        group = group * (int(codes.max(initial=0)) + 1) + codes
    at = contacts["at"].to_numpy()
    order = np.lexsort((at, group))
    exceeded = exceeding([limit], group[order], at[order])[:, 0]
    return int(exceeded[_of_newest_day(rules, contacts)[order]].sum())


def _of_newest_day(rules: Contacts, contacts: pa.Table) -> Bools:
    """(n,) which of the contacts came on the day before the slates'."""
    at = contacts["at"].to_numpy()
    return np.asarray((first_moment_after(rules.slate_date - timedelta(days=2)) <= at) & (at < rules.begin))


def _in_words(limit: ContactLimit) -> str:
    return f"gap of {period_of(limit)}" if limit.name == "gap" else f"{limit.most} in {period_of(limit)}"

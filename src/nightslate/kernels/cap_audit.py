"""A second look at what limits close to users who get slates all the same: channel by channel, arm by arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Ints
from nightslate.kernels.conditions import holding
from nightslate.kernels.contact_joins import coming_of, decisions_since
from nightslate.kernels.contacts import Contacts
from nightslate.programs.days import end_of

Reached = Mapping[str, Mapping[str, Bools] | None]
"""By issue and channel of its arms on offer (n,) whom it reaches of those whom the issue is for; None where
arms have no channels."""


def reached_by_channel(contacts: Contacts, users: pa.Table) -> Reached:
    """Whom the channels of each issue reach."""
    found: dict[str, Mapping[str, Bools] | None] = {}
    for name, issue in contacts.issues.items():
        if issue.channels is None:
            found[name] = None
            continue
        concerned, offered = _concerned(contacts, name, users), {*issue.channels.of_arm.values()}
        found[name] = {
            channel: concerned
            & pc.fill_null(holding(users, way.consent), False).to_numpy().astype(np.bool_)
            & way.times.left(users)
            for channel, way in issue.channels.channels.items()
            if channel in offered
        }
    return found


def transactional_and_counting(contacts: Contacts, users: pa.Table, reached: Reached) -> tuple[Bools, Ints]:
    """(n,) whom a transactional channel reaches; (n,) how many slates of each may be a contact."""
    exempt, counting = np.zeros(users.num_rows, np.bool_), np.zeros(users.num_rows, np.int64)
    for name, by_channel in reached.items():
        if by_channel is None:
            counting += _concerned(contacts, name, users)
            continue
        may_count = np.zeros(users.num_rows, np.bool_)
        for channel, whom in by_channel.items():
            if channel in contacts.caps.transactional:
                exempt |= whom
            else:
                may_count |= whom
        counting += may_count
    return exempt, np.minimum(counting, 1) if contacts.one_issue else counting


def closed_by_joins(
    contacts: Contacts, users: pa.Table, impressions: pa.Table, slates: pa.Table
) -> dict[tuple[str, str], Bools]:
    """By `closed` and `name` of the table `capped` (n,) to whom that is closed, withheld or not."""
    people, rules, caps = users["user_id"].combine_chunks(), contacts.rules, contacts.caps
    start, reached = end_of(contacts.slate_date - timedelta(days=1)), reached_by_channel(contacts, users)
    exempt, counting = transactional_and_counting(contacts, users, reached)
    coming, beyond = coming_of(contacts, people, impressions, slates), np.zeros(users.num_rows, np.bool_)
    periods = [(limit.period, limit.most) for limit in rules.limits if limit.of_all_contacts]
    for period, most in [*periods, *([(rules.gap, 1)] if rules.gap else [])]:
        before = decisions_since(contacts, people, impressions, start - period, start)
        beyond |= (counting > 0) & (before + counting + coming > most)
    found = dict[tuple[str, str], Bools]()
    for channel, could in _slates_by_channel(reached):
        if channel in caps.transactional:
            continue
        shut = beyond & exempt & (could > 0)
        for limit in caps.limits:
            if limit.channel == channel:
                arms = [arm for arm, of in caps.channel_of.items() if of == channel]
                before = decisions_since(contacts, people, impressions, start - limit.period, start, arms)
                shut |= (could > 0) & (before + could > limit.most)
        found["channel", channel] = shut
    for limit in caps.limits:
        for arm in pc.unique(impressions["arm_id"]).to_pylist() if limit.per else ():
            before = decisions_since(contacts, people, impressions, start - limit.period, start, [arm])
            nobody = np.zeros(users.num_rows, np.bool_)
            found["arm", arm] = found.get(("arm", arm), nobody) | (before >= limit.most)
    return found


def has_an_arm(contacts: Contacts, users: pa.Table, closed: Mapping[tuple[str, str], Bools]) -> Bools:
    """(n,) for whom some issue has an arm that may be sent."""
    found, nobody = np.zeros(users.num_rows, np.bool_), np.zeros(users.num_rows, np.bool_)
    for name, by_channel in reached_by_channel(contacts, users).items():
        issue = contacts.issues[name]
        if by_channel is None or issue.channels is None:
            found |= _concerned(contacts, name, users)
            continue
        for arm, channel in issue.channels.of_arm.items():
            if channel is not None and channel in by_channel:
                shut = closed.get(("channel", channel), nobody) | closed.get(("arm", arm), nobody)
                found |= by_channel[channel] & ~shut
    return found


def _slates_by_channel(reached: Reached) -> Iterator[tuple[str, Ints]]:
    """By channel (n,) how many issues could send by it."""
    named = dict.fromkeys(channel for by_channel in reached.values() for channel in by_channel or ())
    for channel in named:
        yield channel, np.sum([by[channel] for by in reached.values() if by and channel in by], axis=0)


def _concerned(contacts: Contacts, issue: str, users: pa.Table) -> Bools:
    """(n,) whom an issue is for."""
    of_issue = contacts.issues[issue].users(users)["user_id"].combine_chunks()
    return np.asarray(pc.is_in(users["user_id"], of_issue).to_numpy(), dtype=np.bool_)

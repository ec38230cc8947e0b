"""How often somebody may be contacted: at most so often within a period, and a least time between two.

One rule holds at a moment: of the contacts in [moment - period, moment), with those that are still to come,
there are no more than `most`. So no window of that length, both of its ends included, ever holds more. A gap
is the limit of one contact within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nightslate.core.arrays import Ints
from nightslate.core.ordering import events_between


@dataclass(frozen=True)
class ContactLimit:
    """At most `most` contacts within `period`, in microseconds; what the rule is called."""

    name: Literal["limit", "gap"]
    most: int
    period: int


def contacts_within(limits: Sequence[ContactLimit], users: Ints, at: Ints, n: int, moment: int) -> Ints:
    """(n, limits) how many contacts each user has had within each limit's period before the moment. users,
    at (m,): of each contact the place of its user, and its time in microseconds."""
    found = np.zeros((n, len(limits)), dtype=np.int64)
    for place, limit in enumerate(limits):
        within = (moment - limit.period <= at) & (at < moment)
        found[:, place] = np.bincount(users[within], minlength=n)
    return found


def contacts_before(
    limits: Sequence[ContactLimit], users: Ints, at: Ints, asked: Ints, moments: Ints
) -> Ints:
    """(n, limits) as `contacts_within`, each of some users at a moment of its own. asked, moments (n,):
    places of users, and when; users, at (m,): of contacts, in any order."""
    found = [events_between(users, at, asked, moments - limit.period, moments) for limit in limits]
    return np.stack(found, axis=1) if found else np.zeros((len(moments), 0), dtype=np.int64)


def first_exceeded(limits: Sequence[ContactLimit], contacts: Ints, more: Ints) -> Ints:
    """(n,) the place of the first limit that does not allow so many contacts more, -1 where all do. contacts:
    (n, limits) those within each period; more: (n,). Nothing more is allowed by every limit."""
    if not limits:
        return np.full(len(more), -1)
    most = np.array([limit.most for limit in limits])
    exceeded = (contacts + more[:, None] > most) & (more > 0)[:, None]
    return np.where(exceeded.any(axis=1), exceeded.argmax(axis=1), -1)


def refused_by(limits: Sequence[ContactLimit], at: Ints, moment: int, more: int = 1) -> ContactLimit | None:
    """The first limit that does not allow one user so many contacts more at a moment; None where all do. at:
    (m,) when the user was contacted, in microseconds as the moment: for an engine that decides by itself."""
    contacts = contacts_within(limits, np.zeros(len(at), dtype=np.int64), at, 1, moment)
    place = int(first_exceeded(limits, contacts, np.array([more]))[0])
    return limits[place] if place >= 0 else None


def exceeding(limits: Sequence[ContactLimit], users: Ints, at: Ints) -> Ints:
    """(m, limits) 1 for each contact that came when a limit did not allow one more, by what came before it.
    users, at (m,): ordered by user and time."""
    found = np.zeros((len(at), len(limits)), dtype=np.int64)
    for place, limit in enumerate(limits):
        earliest = np.arange(len(at)) - limit.most
        there = np.flatnonzero(earliest >= 0)
        before = earliest[there]
        same = users[before] == users[there]
        found[there, place] = same & (at[there] - at[before] < limit.period)
    return found

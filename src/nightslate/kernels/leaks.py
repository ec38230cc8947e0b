"""Whether features look at what was not there yet: the future is changed, and they have to stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core import npz
from nightslate.core.arrays import ArrayRecord
from nightslate.core.hashing import lowest, mix, seed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.features import AT, KNOWN, USER, integers

AS_OF = "as_of"
SAMPLE = 100
"""Users that a unit of work is attacked for, each at one moment."""

Compute = Callable[[pa.Table, pa.Table], pa.Table]
"""(events with AT and KNOWN, moments) -> the moments, with features."""

_LATER = timedelta(hours=1)


def leaking(compute: Compute, events: pa.Table, moments: pa.Table, day: str) -> list[str]:
    """The features of a sample of users that change when events which had not happened by their moment, or
    were not known by then, are deleted or shifted, or when more of them are added."""
    sample = _sampled(moments, day)
    events = events.filter(pc.is_in(events[USER], sample[USER].combine_chunks()))
    found, place = compute(events, sample), pc.index_in(events[USER], sample[USER].combine_chunks())
    moment = sample[AS_OF].combine_chunks().take(place.combine_chunks())
    changed: dict[str, None] = {}
    for attacked in _attacks(events, moment):
        again = compute(attacked, sample)
        names = [name for name in found.column_names if not found[name].equals(again[name])]
        changed |= dict.fromkeys(names)
    return list(changed)


def leaking_at(
    compute: Callable[[pa.Table], Mapping[str, ArrayRecord]], events: pa.Table, moment: datetime, day: str
) -> list[str]:
    """The same of what is made of the events of all users as of one moment: of those of a sample of users."""
    users = pc.unique(events[USER])
    of_users = lowest(mix(user_keys(pa.table({USER: users})), seed(day)), SAMPLE)
    events = events.filter(pc.is_in(events[USER], users.filter(pa.array(of_users))))
    events = pa.table(dict(zip(events.column_names, events.columns, strict=True)))  # whose times may be null
    found = compute(events)
    changed: dict[str, None] = {}
    for attacked in _attacks(events, pa.repeat(pa.scalar(moment, events[AT].type), events.num_rows)):
        again = compute(attacked)
        changed |= dict.fromkeys(name for name in found if _differ(found[name], again[name]))
    return list(changed)


def _differ(one: ArrayRecord, other: ArrayRecord) -> bool:
    return npz.pack(one.arrays()) != npz.pack(other.arrays())


def _sampled(moments: pa.Table, day: str) -> pa.Table:
    """One moment of each of some users, the same in whatever order they come."""
    at = integers(moments[AS_OF]).astype(np.uint64)
    order = np.argsort(mix(mix(user_keys(moments), at), seed(day)), kind="stable")
    shuffled = moments.take(pa.array(order))
    _, first = np.unique(user_keys(shuffled), return_index=True)
    of_users = shuffled.take(pa.array(np.sort(first)))
    return of_users.filter(pa.array(lowest(mix(user_keys(of_users), seed(day)), SAMPLE)))


def _attacks(events: pa.Table, moment: pa.Array) -> Iterator[pa.Table]:
    at, known = events[AT].combine_chunks(), events[KNOWN].combine_chunks()
    future = pc.or_(pc.greater_equal(at, moment), pc.greater(known, moment))
    yield events.filter(pc.invert(future))
    shifted = (pc.if_else(future, pc.add(times, _LATER), times) for times in (at, known))
    yield _at(events, *shifted)
    yield pa.concat_tables([events, _at(events, moment, moment)])
    not_known = _at(events, at, pc.add(moment, timedelta(microseconds=1)))
    yield pa.concat_tables([events, not_known])


def _at(events: pa.Table, at: pa.Array, known: pa.Array) -> pa.Table:
    for name, times in ((AT, at), (KNOWN, known)):
        events = events.set_column(events.schema.get_field_index(name), name, times)
    return events

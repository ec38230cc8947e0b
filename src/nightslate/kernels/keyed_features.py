"""Features of a user and an arm together: of each user a number for each arm, or each value of a category of
arms, that there is anything about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.features.ranges import flat
from nightslate.kernels.features import USER, features_as_of, integers
from nightslate.kernels.leaks import AS_OF
from nightslate.kernels.lists import maps, place_in
from nightslate.programs.features import ARM, Aggregate

KEY = "key"

Values = Mapping[str, Mapping[str, str]]
"""By category of arms the value of each arm that has one."""


def with_key(events: pa.Table, by: str, values: Values) -> pa.Table:
    """Events that name an arm, with what they are told apart by: its id, or its value of a category."""
    key = events[ARM]
    if by != ARM:
        of_arms = values[by]
        place = pc.index_in(key, pa.array(of_arms, pa.string()))
        key = pa.chunked_array([pa.array(of_arms.values(), pa.string()).take(place.combine_chunks())])
    keyed = events.append_column(KEY, key)
    return keyed.filter(pc.is_valid(key))


def keyed_as_of(features: Sequence[Aggregate], events: pa.Table, moments: pa.Table) -> pa.Table:
    """The moments, and a column of maps for each feature: from a KEY of the events to the feature of those of
    the moment's user that have it, left out where it is the default. Keys are in order."""
    users, keys = pc.unique(moments[USER]), pc.unique(events[KEY]).sort()
    user, key = place_in(events[USER], users), place_in(events[KEY], keys)
    asked_of = np.flatnonzero(user >= 0)
    pair_of = user[asked_of] * len(keys) + key[asked_of]
    pairs, place = np.unique(pair_of, return_inverse=True)
    numbered = events.take(pa.array(asked_of))
    numbered = numbered.set_column(numbered.schema.get_field_index(USER), USER, pa.array(place))
    of_moment = place_in(moments[USER], users)
    first, last = (np.searchsorted(pairs, (of_moment + more) * len(keys)) for more in (0, 1))
    pair, _ = flat(first, last)
    moment = np.repeat(np.arange(of_moment.size), last - first)
    at = integers(moments[AS_OF])[moment]
    found = features_as_of(numbered, features, pair, at, at)
    columns = dict(zip(moments.column_names, moments.columns, strict=True))
    text = keys.take(pa.array(pairs[pair] % max(len(keys), 1)))
    for each in features:
        number = np.asarray(found[each.name])
        said = np.flatnonzero(number != each.default)
        columns[each.name] = maps(moment[said], text.take(pa.array(said)), number[said], moments.num_rows)
    return pa.table(columns)

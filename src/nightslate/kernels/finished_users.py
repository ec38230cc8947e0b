"""Users of an experiment of whom it is known what came, with what was known of each before its assignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.kernels.experiment_users import DAY, EPOCH
from nightslate.kernels.features import USER
from nightslate.kernels.lists import place_in
from nightslate.kernels.readouts import Readout
from nightslate.kernels.risks import users_at_ends
from nightslate.kernels.user_features import KnownFeatures

VARIANT, PROBABILITIES, VALUES = "assigned_variant", "assigned_probabilities", "metric_values"
"""Columns beside those of contexts: none of these has such a name."""


@dataclass(frozen=True)
class FinishedUsers:
    """How they are found. readout: of the metrics that are looked at; known: which features stand beside the
    context, None without any; context: the columns of contexts."""

    readout: Readout
    known: KnownFeatures | None
    context: Sequence[str]

    def __call__(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Of some users, of whom all tables are given: the variant of the first assignment, the probabilities
        of all variants at it, the value of each metric, and the context as of the end of the day before.
        Whoever is no user of that day, as it is known by now, is left out, whatever came."""
        users, who, values = self.readout.finished(tables)
        ids, before = users.ids.take(pa.array(who)), users.assigned[who] // DAY - 1
        people = tables["users"]
        place = place_in(people[USER], ids)
        day = np.asarray(people["ds"].cast(pa.int32()).combine_chunks(), dtype=np.int64)
        on_the_day = (place >= 0) & (np.append(before, -1)[place] == day)
        days = [EPOCH + timedelta(days=int(each)) for each in np.unique(before)]
        mine = people.filter(pa.array(on_the_day))
        found = users_at_ends(mine, tables.get("features"), self.known, days)
        at = place[on_the_day]
        variants = pa.array(self.readout.allocated.variants, pa.string())
        columns = {
            USER: found[USER],
            VARIANT: variants.take(pa.array(users.variant[who][at])),
            PROBABILITIES: _lists(users.probabilities[who][at]),
            VALUES: _lists(values[at]),
        }
        return pa.table({**columns, **{name: found[name] for name in self.context}})


def _lists(rows: Floats) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel()), rows.shape[1])

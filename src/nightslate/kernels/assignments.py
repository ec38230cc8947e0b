"""Users into variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow, load
from nightslate.core.arrays import AnyArray, Floats, Ints, Keys
from nightslate.core.experiments import Segment, allocated, segment_of, shares_of
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys

ASSIGNMENTS = arrow.types(load("assignments").file_columns)
OF_CONTEXTS = (
    *("shares", "probabilities", "path_probability"),
    *("morning_variant", "morning_probabilities"),
)
"""Columns of users whose probabilities are their own, not those of everyone on the day."""

_OF_SEGMENT = pa.schema([ASSIGNMENTS.field(name) for name in ("variant", "probability", "since", "reason")])


@dataclass(frozen=True)
class Assignment:
    """Who is in which variant of an experiment, by a hash of its salt and the user's id."""

    salt: str
    segments: Sequence[Segment]

    @classmethod
    def at_first(cls, salt: str, shares: Mapping[str, float], since: date) -> Assignment:
        """That of an experiment that begins."""
        return cls(salt, allocated(shares, since))

    def draws(self, keys: Keys) -> Floats:
        """(n,) the number in (0, 1) of each user, the same on every day. keys: `user_keys`."""
        return uniform(mix(keys, seed(self.salt, "variant")))

    def variants(self, keys: Keys) -> AnyArray:
        """(n,) the name of each user's variant."""
        return np.array([segment.variant for segment in self.segments])[self._places(keys)]

    def rows(self, users: pa.Table, issue: str) -> pa.Table:
        """`ASSIGNMENTS` of some users. The probability is the share of the variant: over all salts, each user
        is in it that often."""
        at, shares = pa.array(self._places(user_keys(users))), shares_of(self.segments)
        of_segment = pa.table(
            {
                "variant": [segment.variant for segment in self.segments],
                "probability": [round(shares[segment.variant], 12) for segment in self.segments],
                "since": [segment.since for segment in self.segments],
                "reason": [segment.reason for segment in self.segments],
            },
            schema=_OF_SEGMENT,
        ).take(at)
        same = {"issue": issue, "experiment": self.salt}
        columns = {
            **{name: pa.repeat(value, users.num_rows) for name, value in same.items()},
            "user_id": users["user_id"],
            **{name: of_segment[name] for name in of_segment.column_names},
            **{name: pa.nulls(users.num_rows, ASSIGNMENTS.field(name).type) for name in OF_CONTEXTS},
        }
        return pa.table([columns[name] for name in ASSIGNMENTS.names], schema=ASSIGNMENTS)

    def _places(self, keys: Keys) -> Ints:
        return segment_of(self.segments, self.draws(keys))

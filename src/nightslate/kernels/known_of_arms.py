"""Features of arms alone beside what is learnt from or scored: the same for all users of a day."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.programs.features import ARM
from nightslate.records.instants import INSTANT

DAY = "ds"
_ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class KnownOfArms:
    """moments (m,): the ends of days; by_feature: of each feature a map (m,) from arms to numbers, as JSON:
    Arrow keeps a text once that many rows share, and no map."""

    moments: pa.Array
    by_feature: Mapping[str, pa.StringArray]

    @classmethod
    def of(cls, rows: pa.Table, names: Sequence[str]) -> Self:
        """Of rows of the table `features_of_arms`."""
        rows = rows.sort_by([(DAY, "ascending"), (ARM, "ascending")])
        days, first = np.unique(rows[DAY].to_numpy(), return_index=True)
        ends = pa.array((days + _ONE_DAY).astype("datetime64[us]")).cast(INSTANT)
        of_days = np.split(np.arange(rows.num_rows), first[1:]) if days.size else []
        arms = rows[ARM].to_pylist()
        by_feature = {}
        for name in names:
            numbers = rows[name].to_pylist()
            texts = [json.dumps({arms[row]: numbers[row] for row in of_day}) for of_day in of_days]
            by_feature[name] = pa.array(texts, pa.string())
        return cls(ends, by_feature)

    def beside(self, rows: pa.Table, moments: pa.ChunkedArray) -> pa.Table:
        """Rows (n,) with the maps of their moment (n,); null where there are none as of then."""
        place = pc.index_in(moments, self.moments).combine_chunks()
        for name, of_moments in self.by_feature.items():
            rows = rows.append_column(name, pa.DictionaryArray.from_arrays(place, of_moments))
        return rows

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        said = {name: texts.to_pylist() for name, texts in self.by_feature.items()}
        return hashlib.sha256(repr((self.moments.to_pylist(), said)).encode()).hexdigest()


def numbers_counted(maps: Mapping[str, int]) -> dict[str, int]:
    """How often each number occurs, given how often each map of such a column does."""
    found = Counter[str]()
    for text, rows in maps.items():
        for number in json.loads(text).values():
            found[repr(number)] += rows
    return dict(found)

"""Which rows of which tables are of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightslate.contracts import Contract
from nightslate.core.arrays import Bools
from nightslate.records.values import mask
from nightslate.tables import Table
from nightslate.tables.files import USER

_NAMED = {"credits": ("impression_id", "outcome_id"), "unattributed": ("outcome_id",)}
"""Tables whose rows name no user, but what the user was shown and did."""

_AS_IT_CAME = "row"
_LOGS = {"impressions": "impression_id", "outcomes": "outcome_id"}


@dataclass(frozen=True)
class UserRows:
    """ids: of `impression_id` and of `outcome_id`, those of the user."""

    pseudonym: str
    ids: Mapping[str, pa.Array]

    @classmethod
    def of(cls, pseudonym: str, tables: Mapping[str, Table]) -> UserRows:
        """The ids are looked up in all files of the logs, those of older versions too: whoever was killed
        half-way through finds them there."""
        found = {}
        for log, column in _LOGS.items():
            files = tables[log].path.rglob("*.parquet") if log in tables else ()
            parts = [_of_user(path, column, pseudonym) for path in sorted(files)]
            found[column] = pa.concat_arrays([pa.array([], pa.string()), *parts]).unique()
        return cls(pseudonym, found)

    def columns(self, contract: Contract) -> tuple[str, ...]:
        """Those that tell whose a row is; none of a table that has nothing of users."""
        names = [column.name for column in contract.columns]
        if USER in names:
            return (USER,)
        return (_AS_IT_CAME,) if contract.name == "quarantine" else _NAMED.get(contract.name, ())

    def among(self, rows: pa.Table) -> Bools:
        """(n,) which rows are the user's, of rows with these columns."""
        found: Bools = np.zeros(rows.num_rows, dtype=np.bool_)
        for name in rows.column_names:
            column = rows[name].combine_chunks()
            if name == USER:
                found |= mask(pc.equal(column, self.pseudonym))
            elif name == _AS_IT_CAME:
                found |= mask(pc.match_substring(column, self.pseudonym))
            elif name in self.ids:
                found |= mask(pc.is_in(column, self.ids[name]))
        return found

    def are_in(self, path: Path, contract: Contract) -> bool:
        """Whether a file of a table has any; one that can't be read may."""
        columns = self.columns(contract)
        try:
            with pq.ParquetFile(path) as file:
                names = [name for name in columns if name in file.schema_arrow.names]
                batches = file.iter_batches(columns=names)
                return any(self.among(pa.Table.from_batches([batch])).any() for batch in batches)
        except (OSError, pa.ArrowException):
            return bool(columns)


def _of_user(path: Path, column: str, pseudonym: str) -> pa.Array:
    """The values of the user's rows in a file; of one that can't be read none."""
    try:
        rows = pq.read_table(
            path, columns=[column], filters=pc.field(USER) == pseudonym, partitioning=None, use_threads=False
        )
    except (OSError, pa.ArrowException):
        return pa.array([], pa.string())
    return rows[column].combine_chunks()

"""The users and moments that features are asked of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import found_column, instants, require, texts
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import read
from nightslate.kernels.features import KNOWN, USER, integers
from nightslate.kernels.leaks import AS_OF
from nightslate.programs.features_file import FeaturesFile
from nightslate.records.instants import instants as read_instants
from nightslate.records.values import plain_type


@dataclass(frozen=True)
class AskedOf:
    """rows: m good rows of the file, in its order, with all of its columns; users: their ids, each once; user
    (m,): the place of each row's; at, known (m,): its moment, and until when what was known counts, in
    microseconds; count: how many rows the file has; notes: how columns are read."""

    rows: pa.Table
    users: pa.StringArray
    user: Ints
    at: Ints
    known: Ints
    count: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, spec: FeaturesFile, refused: Refused) -> AskedOf:
        """Raises ContractError for a file or columns that can't be used, or if no row is good."""
        rows = read(path)
        require(rows.names, [USER, AS_OF], f"{path}")
        clash = [each.name for each in spec.each if each.name in rows.names]
        if clash:
            raise ContractError(f"{path} has a column {clash[0]}, which is a feature's name: rename either")
        bad = BadRows(rows)
        columns = {USER: texts(rows, USER, bad), AS_OF: instants(rows, AS_OF, bad)}
        if KNOWN in rows.names:
            known = found_column(rows, KNOWN, bad, read_instants, required=False)
            columns[KNOWN] = pc.coalesce(known, columns[AS_OF])
        refused.add(path, bad.all(), rows.count)
        good = np.flatnonzero(bad.good)
        refused.require_some_left(path, good.size)
        table, in_order = rows.table(), pa.array(good[np.argsort(rows.numbers[good], kind="stable")])
        users = pc.dictionary_encode(columns[USER].take(in_order)).combine_chunks()
        if not pa.types.is_string(plain_type(table[USER].type)):
            columns[USER] = table[USER]  # who joins the result to the file has ids of one type
        carried = {name: table[name] for name in table.column_names if name not in columns}
        kept = pa.table({**columns, **carried}).take(in_order)
        return cls(
            rows=kept,
            users=users.dictionary,
            user=np.asarray(users.indices, dtype=np.int64),
            at=integers(kept[AS_OF]),
            known=integers(kept[KNOWN] if KNOWN in columns else kept[AS_OF]),
            count=rows.count,
            notes=tuple(rows.pointed_notes([USER])),
        )

"""A file of activity, as far as features look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import found_column, instants, only, require, texts, texts_or_none
from nightslate.files.large import LargeFile
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Rows
from nightslate.kernels.features import AT, KNOWN, LANDED, USER, known_at, that_matter
from nightslate.programs.features import ColumnType
from nightslate.programs.features_file import FeaturesFile
from nightslate.records.instants import INSTANT
from nightslate.records.instants import instants as read_instants
from nightslate.records.numbers import numbers as read_numbers

_ARROW = {"number": pa.float64(), "category": pa.string()}


@dataclass(frozen=True)
class Activity:
    """types: of the columns that features look at; guessed: those of which the values alone say it."""

    file: LargeFile
    spec: FeaturesFile
    types: dict[str, ColumnType]
    guessed: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, spec: FeaturesFile) -> Activity:
        """Raises ContractError for a file or columns that can't be used."""
        types = {name: spec.type_of(name) for name in spec.column_names}
        file = LargeFile.of(path, [USER, *(name for name, kind in types.items() if kind != "number")])
        require(file.names, [USER, AT, *types], f"{path}")
        guessed = tuple(name for name, kind in types.items() if kind is None)
        return cls(file, spec, {name: kind or _type_of(file, name) for name, kind in types.items()}, guessed)

    @property
    def schema(self) -> pa.Schema:
        """Of what `events` gives."""
        own = [(name, _ARROW[kind]) for name, kind in self.types.items()]
        activity = pa.schema([(USER, pa.string()), (AT, INSTANT), (KNOWN, INSTANT), *own])
        return that_matter(activity.empty_table(), self.spec.each).schema

    @property
    def notes(self) -> Iterator[str]:
        """What a person should know of how columns are read."""
        yield from self.file.pointed_notes
        for name in self.guessed:
            if self.types[name] == "number":
                yield (
                    f"{name} of {self.file.path} is read as numbers, which all of its values are; if they are"
                    f" codes, add `columns: {{{name}: category}}` to the features"
                )

    def events(self, refused: Refused) -> Iterator[tuple[int, pa.Table]]:
        """How many rows were read, some at a time, and the good ones of them that any feature is of; bad ones
        are refused."""
        landed = [LANDED] if LANDED in self.file.names else []
        for rows in self.file.parts([USER, AT, *landed, *self.types]):
            bad = BadRows(rows)
            table = self._checked(rows, bad)
            refused.add(self.file.path, bad.all())
            yield rows.count, that_matter(only(table, bad.good), self.spec.each)

    def _checked(self, rows: Rows, bad: BadRows) -> pa.Table:
        at = instants(rows, AT, bad)
        columns = {USER: texts(rows, USER, bad), AT: at, KNOWN: self._known(rows, at, bad)}
        for name, kind in self.types.items():
            columns[name] = _numbers(rows, name, bad) if kind == "number" else texts_or_none(rows, name, bad)
        return pa.table(columns)

    def _known(self, rows: Rows, at: pa.ChunkedArray, bad: BadRows) -> pa.ChunkedArray:
        """When a row was known: when it landed, or else once its day was over; in a file that does not speak
        of it, when it happened."""
        if LANDED not in self.file.names:
            return at
        return known_at(at, found_column(rows, LANDED, bad, read_instants, required=False))


def _numbers(rows: Rows, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) numbers, null where there is none."""
    found = found_column(rows, name, bad, read_numbers, required=False)
    there = np.asarray(pc.is_valid(found), dtype=np.bool_)
    bad.blame(there & ~np.isfinite(np.asarray(found, dtype=np.float64)), f"{name} is not finite", name)
    return found


def _type_of(file: LargeFile, name: str) -> ColumnType:
    """Numbers, where each value is one, in whichever format."""
    some = False
    for rows in file.parts([name]):
        found, faults = rows.values(name, read_numbers)
        if any(wrong.any() for wrong in faults.values()):
            return "category"
        some |= found.null_count < len(found)
    return "number" if some else "category"

"""Raw rows against a contract: each row is either what the contract says, or blamed by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from nightslate.contracts import Clause, Column, Contract
from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.arrays import Bools, Ints
from nightslate.kernels.consents import as_agreed, as_not_refused
from nightslate.kernels.forgotten_users import FORGOTTEN, ForgottenUsers
from nightslate.kernels.landing_columns import digest, names_fault
from nightslate.records.chunks import Chunk
from nightslate.records.faults import Faults, as_they_came
from nightslate.records.typed import typed
from nightslate.records.values import mask

VERDICT = {
    "_file": pa.string(),
    "_number": pa.int64(),
    "_reason": pa.string(),
    "_clause": pa.string(),
    "_row": pa.string(),
    "_digest": pa.string(),
}
"""Columns beside a conformed row: where it came from and, if it is rejected, why and what it was."""

_KEPT_CHARACTERS = 1000
_NOTHING = "{}"


@dataclass(frozen=True)
class Conformer:
    """Turns chunks of landing files into rows of a contract for the day `ds`, each with its verdict.

    `arms`: those that a row may name, where the log names arms; `arms_of`: the days that they are of.
    `pointed`: the columns of ids whose text, over all files of the day, is whole numbers written like 7.0.
    `values`: by column those that a row has to have one of, where the program says so.
    `forgotten`: users whose rows are rejected, and of which nothing is kept.
    `asks_users`: whether what a row does not say of its user's consents is looked up among users later;
    without it what the row does not say was not given.
    """

    contract: Contract
    ds: date
    pseudonymise: Callable[[pa.Array], pa.Array]
    arms: tuple[str, ...] | None = None
    arms_of: str = "the day"
    pointed: frozenset[str] = frozenset()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forgotten: ForgottenUsers | None = None
    asks_users: bool = False

    def schema(self) -> pa.Schema:
        fields = [pa.field(f.name, f.type) for f in self._landed()]
        return pa.schema([*fields, *(pa.field(n, t) for n, t in VERDICT.items())])

    def __call__(self, chunk: Chunk, file: str) -> pa.Table:
        """All records of the chunk, in `schema()`; `_reason` is null where a row is accepted."""
        rows, faults = chunk.rows, Faults(chunk.rows.num_rows)
        self._check_names(rows, faults)
        converted = {c.name: self._convert(rows, c, faults) for c in self.contract.landing_columns}
        raw = pa.table(converted, schema=pa.schema([pa.field(f.name, f.type) for f in self._landed()]))
        for clause, broken in self._broken_clauses(raw):
            faults.blame(mask(broken), clause.reason, clause.text)
        table = self._pseudonymised(raw)
        self._check_day(table, faults)
        self._check_arms(table, faults)
        self._check_values(table, faults)
        table = self._as_agreed(table)
        forgotten = self._of_forgotten(table)
        faults.overrule(forgotten, FORGOTTEN, "user_id is of nobody who asked to be forgotten")
        accepted = self._with_verdict(table, chunk, faults, forgotten, file)
        return pa.concat_tables([accepted, self._unreadable(chunk, file)])

    def rejected_file(self, file: str, reason: str, clause: str) -> pa.Table:
        """The one row that stands for a file that can't be loaded."""
        return self._verdicts([{"_file": file, "_reason": reason, "_clause": clause}])

    def _landed(self) -> list[pa.Field]:
        schema = arrow_contracts.schema(self.contract)
        return [schema.field(c.name) for c in self.contract.landing_columns]

    def _check_names(self, rows: pa.Table, faults: Faults) -> None:
        """Of JSON lines, where each row has columns of its own."""
        columns = self.contract.landing_columns
        there = {name: mask(rows[name].is_valid()) for name in rows.column_names}
        extra = [mine for name, mine in there.items() if name not in {column.name for column in columns}]
        for place in np.flatnonzero(np.any(extra, axis=0)) if extra else ():
            fault = names_fault([name for name, mine in there.items() if mine[place]], columns)
            faults.blame(np.array([place]), "schema_mismatch", str(fault))

    def _convert(self, rows: pa.Table, column: Column, faults: Faults) -> pa.Array:
        if column.name not in rows.column_names:
            return pa.nulls(rows.num_rows, arrow_contracts.type_of(column))
        values = typed(rows[column.name], column, column.name in self.pointed)
        for wrong, how in values.faults:
            faults.blame(wrong, how.reason, f"{column.name} {how.clause or f'is {column.type}'}")
        return values.array

    def _pseudonymised(self, raw: pa.Table) -> pa.Table:
        for at, column in enumerate(self.contract.landing_columns):
            if column.pseudonym:
                ids = raw[column.name].combine_chunks()
                raw = raw.set_column(at, raw.schema.field(at), self.pseudonymise(ids))
        return raw

    def _as_agreed(self, table: pa.Table) -> pa.Table:
        agreed = as_not_refused if self.asks_users else as_agreed
        return agreed(table, self.contract.needs)

    def _of_forgotten(self, table: pa.Table) -> Bools:
        found: Bools = np.zeros(table.num_rows, dtype=np.bool_)
        if self.forgotten is not None:
            for column in self.contract.landing_columns:
                if column.pseudonym:
                    found |= self.forgotten.among(table[column.name].combine_chunks())
        return found

    def _broken_clauses(self, table: pa.Table) -> list[tuple[Clause, pa.Array]]:
        clauses = self.contract.landing_clauses()
        broken = pyarrow.dataset.dataset(table).to_table(
            columns={str(i): arrow_contracts.violated(clause) for i, clause in enumerate(clauses)}
        )
        return [(c, broken[str(i)].combine_chunks()) for i, c in enumerate(clauses)]

    def _check_day(self, table: pa.Table, faults: Faults) -> None:
        if "occurred_at" not in table.column_names:
            return
        start = datetime.combine(self.ds, datetime.min.time(), UTC)
        end = start + timedelta(days=1)
        when = table["occurred_at"]
        early = mask(pc.less(when, pa.scalar(start, when.type)))
        late = mask(pc.greater_equal(when, pa.scalar(end, when.type)))
        faults.blame(early, "before_ds", f"occurred_at >= {self.ds}")
        faults.blame(late, "after_ds", f"occurred_at < {end.date()}")

    def _check_values(self, table: pa.Table, faults: Faults) -> None:
        for name, values in self.values.items():
            among = pc.is_in(table[name], pa.array(values, pa.string()))
            faults.blame(mask(pc.invert(table[name].is_valid())), "required", f"{name} is required")
            faults.blame(mask(pc.invert(among)), "not_allowed", f"{name} is one of {', '.join(values)}")

    def _check_arms(self, table: pa.Table, faults: Faults) -> None:
        if self.arms is None:
            return
        named = table["arm_id"]
        known = pc.is_in(named, pa.array(self.arms, pa.string()))
        unknown = pc.and_(pc.is_valid(named), pc.invert(known))
        faults.blame(mask(unknown), "unknown_arm", f"arm_id is one of the arms of {self.arms_of}")

    def _with_verdict(
        self, table: pa.Table, chunk: Chunk, faults: Faults, forgotten: Bools, file: str
    ) -> pa.Table:
        reasons, clauses = faults.columns()
        rejected = np.flatnonzero(~faults.good & ~forgotten)
        rendered = np.full(table.num_rows, None, dtype=object)
        rendered[rejected], rendered[forgotten] = self._as_json(chunk.rows, table, rejected), _NOTHING
        verdict = {
            "_file": pa.repeat(file, table.num_rows),
            "_number": pa.array(chunk.numbers, pa.int64()),
            "_reason": reasons,
            "_clause": clauses,
            "_row": pa.array(rendered, pa.string()),
            "_digest": pa.nulls(table.num_rows, pa.string()),
        }
        return pa.table(
            {**dict(zip(table.column_names, table.columns, strict=True)), **verdict}, schema=self.schema()
        )

    def _unreadable(self, chunk: Chunk, file: str) -> pa.Table:
        """A record that could not be read may hold a raw user id anywhere, so only its digest is kept."""
        return self._verdicts(
            [
                {
                    "_file": file,
                    "_number": record.number,
                    "_reason": record.wrong.reason,
                    "_clause": record.wrong.clause,
                    "_digest": digest(record.content),
                }
                for record in chunk.unreadable
            ]
        )

    def _verdicts(self, rows: list[dict[str, str | int]]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=self.schema())

    def _as_json(self, rows: pa.Table, converted: pa.Table, places: Ints) -> list[str]:
        """Rows as they came, but for user ids, which are pseudonyms here too, for columns that no contract
        knows, which may hold anything, and for what the row does not say that its user has agreed to."""
        known = [c for c in self.contract.landing_columns if c.name in rows.column_names]
        kept = rows.select([column.name for column in known])
        came = [as_they_came(kept, place) for place in places.tolist()]
        for row, place in zip(came, places.tolist(), strict=True):
            for name in (column.name for column in known if column.pseudonym):
                if row[name] is not None:
                    row[name] = converted[name][place].as_py() or self._pseudonym(row[name])
            for name, consent in self.contract.needs.items():
                if not converted[consent][place].as_py():
                    row.pop(name, None)
        return [
            json.dumps({n: _bounded(v) for n, v in row.items() if v is not None}, default=str, sort_keys=True)
            for row in came
        ]

    def _pseudonym(self, value: object) -> str:
        """Of what is no id, so that it is not seen either."""
        return str(self.pseudonymise(pa.array([str(value)]))[0])


def _bounded(value: object) -> object:
    """A value as quarantine keeps it: of text as much as a person reads."""
    if isinstance(value, list):
        return [_bounded(item) for item in value]
    if isinstance(value, str) and len(value) > _KEPT_CHARACTERS:
        return f"{value[:_KEPT_CHARACTERS]}... ({len(value)} characters)"
    return value

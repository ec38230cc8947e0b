"""Raw rows against a contract: each row is either what the contract says, or blamed by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from nightslate.contracts import Clause, Column, Contract
from nightslate.contracts import arrow as arrow_contracts
from nightslate.frames.landing import Chunk

VERDICT = {
    "_file": pa.string(),
    "_reason": pa.string(),
    "_clause": pa.string(),
    "_row": pa.string(),
    "_digest": pa.string(),
}
"""Columns beside a conformed row: where it came from and, if it is rejected, why and what it was."""


@dataclass(frozen=True)
class Conformer:
    """Turns chunks of landing files into rows of a contract for the day `ds`, each with its verdict.

    `arms`: those that a row may name, where the log names arms; `arms_of`: the days that they are of.
    """

    contract: Contract
    ds: date
    pseudonymise: Callable[[pa.Array], pa.Array]
    arms: tuple[str, ...] | None = None
    arms_of: str = "the day"

    def schema(self) -> pa.Schema:
        fields = [pa.field(f.name, f.type) for f in self._landed()]
        return pa.schema([*fields, *(pa.field(n, t) for n, t in VERDICT.items())])

    def __call__(self, chunk: Chunk, file: str) -> pa.Table:
        """All rows of the chunk, in `schema()`; `_reason` is null where a row is accepted."""
        rows, blame = chunk.rows, Blame(chunk.rows.num_rows)
        converted = {c.name: self._convert(rows, c, blame) for c in self.contract.landing_columns}
        table = pa.table(converted, schema=pa.schema([pa.field(f.name, f.type) for f in self._landed()]))
        for clause, broken in self._broken_clauses(table):
            blame.add(broken, clause.reason, clause.text)
        self._check_day(table, blame)
        self._check_arms(table, blame)
        accepted = self._with_verdict(table, rows, blame, file)
        return pa.concat_tables([accepted, self._unreadable(chunk, file)])

    def rejected_file(self, file: str, reason: str, clause: str) -> pa.Table:
        """The one row that stands for a file that can't be loaded."""
        return self._verdicts([{"_file": file, "_reason": reason, "_clause": clause}])

    def _landed(self) -> list[pa.Field]:
        schema = arrow_contracts.schema(self.contract)
        return [schema.field(c.name) for c in self.contract.landing_columns]

    def _convert(self, rows: pa.Table, column: Column, blame: Blame) -> pa.Array:
        target = arrow_contracts.schema(self.contract).field(column.name).type
        if column.name not in rows.column_names:
            return pa.nulls(rows.num_rows, target)
        raw = rows[column.name].combine_chunks()
        values = cast_or_null(raw, target)
        failed = pc.and_(pc.is_valid(raw), pc.is_null(values))
        if column.type == "timestamp" and pc.any(failed).as_py():
            naive = pc.is_valid(cast_or_null(raw.cast(pa.string()), pa.timestamp("us")))
            blame.add(pc.and_(failed, naive), "naive_timestamp", f"{column.name} has a time zone")
        blame.add(failed, "wrong_type", f"{column.name} is {column.type}")
        return self.pseudonymise(values) if column.pseudonym else values

    def _broken_clauses(self, table: pa.Table) -> list[tuple[Clause, pa.Array]]:
        clauses = self.contract.landing_clauses()
        broken = pyarrow.dataset.dataset(table).to_table(
            columns={str(i): arrow_contracts.violated(clause) for i, clause in enumerate(clauses)}
        )
        return [(c, broken[str(i)].combine_chunks()) for i, c in enumerate(clauses)]

    def _check_day(self, table: pa.Table, blame: Blame) -> None:
        if "occurred_at" not in table.column_names:
            return
        start = datetime.combine(self.ds, datetime.min.time(), UTC)
        end = start + timedelta(days=1)
        when = table["occurred_at"].combine_chunks()
        stamp = when.type
        blame.add(pc.less(when, pa.scalar(start, stamp)), "before_ds", f"occurred_at >= {self.ds}")
        blame.add(pc.greater_equal(when, pa.scalar(end, stamp)), "after_ds", f"occurred_at < {end.date()}")

    def _check_arms(self, table: pa.Table, blame: Blame) -> None:
        if self.arms is None:
            return
        named = table["arm_id"].combine_chunks()
        known = pc.is_in(named, pa.array(self.arms, pa.string()))
        unknown = pc.and_(pc.is_valid(named), pc.invert(known))
        blame.add(unknown, "unknown_arm", f"arm_id is one of the arms of {self.arms_of}")

    def _with_verdict(self, table: pa.Table, raw: pa.Table, blame: Blame, file: str) -> pa.Table:
        reasons, clauses = blame.columns()
        rejected = np.flatnonzero(blame.culprit >= 0)
        rendered = np.full(table.num_rows, None, dtype=object)
        rendered[rejected] = self._render(raw.take(pa.array(rejected)).to_pylist())
        verdict = {
            "_file": pa.repeat(file, table.num_rows),
            "_reason": reasons,
            "_clause": clauses,
            "_row": pa.array(rendered, pa.string()),
            "_digest": pa.nulls(table.num_rows, pa.string()),
        }
        return pa.table(
            {**dict(zip(table.column_names, table.columns, strict=True)), **verdict}, schema=self.schema()
        )

    def _unreadable(self, chunk: Chunk, file: str) -> pa.Table:
        return self._verdicts(
            [
                {
                    "_file": file,
                    "_reason": line.reason,
                    "_clause": line.clause,
                    "_row": None if line.values is None else self._render([line.values])[0],
                    "_digest": line.digest,
                }
                for line in chunk.unreadable
            ]
        )

    def _verdicts(self, rows: list[dict[str, str | None]]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=self.schema())

    def _render(self, rows: list[dict[str, object]]) -> list[str]:
        """The rows as they came, as JSON, but for user ids, which are pseudonyms here too, and for columns
        that no contract knows, which may hold anything."""
        secret = {c.name for c in self.contract.landing_columns if c.pseudonym}
        known = {c.name for c in self.contract.landing_columns}
        rendered = []
        for row in rows:
            kept = {name: value for name, value in row.items() if name in known and value is not None}
            for name in secret & kept.keys():
                kept[name] = self.pseudonymise(pa.array([str(kept[name])])).to_pylist()[0]
            rendered.append(json.dumps(kept, default=str, sort_keys=True))
        return rendered


class Blame:
    """The first clause that each row breaks."""

    def __init__(self, rows: int) -> None:
        self.culprit: npt.NDArray[np.int64] = np.full(rows, -1, dtype=np.int64)
        self.labels: list[tuple[str, str]] = []

    def add(self, broken: pa.Array, reason: str, clause: str) -> None:
        mask = pc.fill_null(broken, False).to_numpy(zero_copy_only=False)
        self.culprit[(self.culprit < 0) & mask] = len(self.labels)
        self.labels.append((reason, clause))

    def columns(self) -> tuple[pa.Array, pa.Array]:
        index = pa.array(self.culprit, mask=self.culprit < 0)
        reasons, clauses = zip(*self.labels, strict=True)
        return pa.array(reasons, pa.string()).take(index), pa.array(clauses, pa.string()).take(index)


def cast_or_null(values: pa.Array, target: pa.DataType) -> pa.Array:
    """A safe cast in which what can't be cast becomes null: halves the array around each culprit."""
    try:
        return values.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(values) <= 1:
            return pa.nulls(len(values), target)
        middle = len(values) // 2
        halves = [cast_or_null(values[:middle], target), cast_or_null(values[middle:], target)]
        return pa.concat_arrays(halves)

"""Impressions as they land, in the three formats, and what becomes of them."""

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from nightslate.contracts import Column, load
from nightslate.kernels.conform import Conformer
from nightslate.kernels.landing_columns import read
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.records.chunks import CHUNK_ROWS, UnusableFileError

Row = dict[str, Any]

DS = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
KEY = b"a key that nobody else has, 32 b"
PSEUDONYMISE = Pseudonymiser(KEY, "1")
CONTRACT = load("impressions").with_columns([Column(name="age", type="double")])
CONFORMER = Conformer(CONTRACT, DS, PSEUDONYMISE, arms=("a", "b"))

PARQUET = pa.schema(
    [
        ("impression_id", pa.string()),
        ("decision_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("age", pa.float64()),
    ]
)


def raw_user(number: int) -> str:
    """What must not be seen again once a row is conformed."""
    return f"raw-user-{number}@example.com"


def good(number: int, **different: Any) -> Row:
    """A sound impression, but for what is said to be different."""
    return {
        "impression_id": f"i{number}",
        "decision_id": f"d{number}",
        "user_id": raw_user(number),
        "occurred_at": NOON,
        "slot": 1,
        "arm_id": "a",
        "propensity": 0.5,
        "age": 30.0,
        **different,
    }


def write_parquet(path: Path, rows: Sequence[Row], schema: pa.Schema = PARQUET, **options: Any) -> Path:
    file = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows), schema), file, **options)
    return file


def write_damaged_half_way(path: Path) -> Path:
    """A Parquet file of which CHUNK_ROWS rows can be read, and an error comes after them."""
    rows = CHUNK_ROWS + 100
    file = write_parquet(path, [good(i) for i in range(2 * rows)], row_group_size=rows)
    chunk = pyarrow.parquet.ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    content[chunk.data_page_offset : chunk.data_page_offset + 1000] = b"\xff" * 1000
    file.write_bytes(content)
    return file


def write_csv(path: Path, rows: Sequence[Row], schema: pa.Schema = PARQUET) -> Path:
    file = path.with_suffix(".csv")
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(schema.names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_jsonl(path: Path, rows: Sequence[Row], schema: pa.Schema = PARQUET) -> Path:
    file = path.with_suffix(".jsonl")
    named = [{name: row[name] for name in (*schema.names, *(row.keys() - schema.names))} for row in rows]
    file.write_text("".join(f"{json.dumps(row, default=str)}\n" for row in named), "utf-8")
    return file


Writer = Callable[[Path, Sequence[Row]], Path]
WRITERS: dict[str, Writer] = {"parquet": write_parquet, "csv": write_csv, "jsonl": write_jsonl}


def conform(path: Path, conformer: Conformer = CONFORMER) -> pa.Table:
    """All that comes of a file, in which no raw user id may be."""
    table = whatever_comes_of(path, conformer)
    assert "raw-user" not in str(table.to_pylist())
    return table


def whatever_comes_of(path: Path, conformer: Conformer = CONFORMER) -> pa.Table:
    """The rows before some damage too, which only `ingest` can leave out."""
    parts = [conformer.schema().empty_table()]
    try:
        for chunk in read(path, conformer.contract.landing_columns):
            parts.append(conformer(chunk, path.name))  # noqa: PERF401 (what came before an error is kept)
    except UnusableFileError as error:
        parts.append(conformer.rejected_file(path.name, error.reason, error.clause))
    return pa.concat_tables(parts)


def accepted(table: pa.Table) -> list[str]:
    """The ids of the rows that were let through."""
    return [row["impression_id"] for row in table.to_pylist() if row["_reason"] is None]


def rejected(table: pa.Table) -> list[tuple[str, str]]:
    """Reason and clause of each reject."""
    return [(row["_reason"], row["_clause"]) for row in table.to_pylist() if row["_reason"] is not None]

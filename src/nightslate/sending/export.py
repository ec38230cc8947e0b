"""Sends as a file for the system that sends them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.files.writing import require_writable, write

_FORMULA = r"^[=+\-@\t\r\n]"
"""What a spreadsheet takes for the beginning of a formula, or for the end of the cell before one."""


def export(sends: pa.Table, path: Path, source: Path) -> None:
    """Write sends to .parquet, .csv or .jsonl, whole or not at all. Text of CSV that a spreadsheet would take
    for a formula gets an apostrophe before it. source: the table that they are from. Raises ContractError
    where the file can't be written."""
    require_writable(path, source)
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        write(harmless(sends) if path.suffix.lower() == ".csv" else sends, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def harmless(rows: pa.Table) -> pa.Table:
    """The rows, no text of which begins like a formula (= + - @, a tab or a line break)."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            column = rows[field.name]
            risky = pc.match_substring_regex(column, _FORMULA)
            safe = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
            rows = rows.set_column(place, field, safe)
    return rows

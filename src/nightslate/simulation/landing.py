"""What the landing logs of all worlds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from nightslate.core.arrays import AnyArray

STAMP = pa.timestamp("us", "UTC")
OUTCOMES = pa.schema(
    [
        ("outcome_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", STAMP),
        ("kind", pa.string()),
        ("value", pa.float64()),
        ("arm_id", pa.string()),
        ("impression_id", pa.string()),
    ]
)


def land(folder: Path, day: date, logs: Mapping[str, pa.Table]) -> None:
    """Write the logs of a day into a program's landing folder, whole. Raw user ids are in it: it is closed to
    other accounts."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for log, rows in logs.items():
        of_day = folder / log / f"ds={day}"
        of_day.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(rows, of_day / "part-0.parquet")
        (of_day / "_SUCCESS").touch()


def named(names: tuple[str, ...], places: AnyArray) -> pa.Array:
    """The names at these places."""
    return pa.array(names).take(pa.array(places))

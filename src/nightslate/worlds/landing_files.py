"""The landing files of all worlds: how a day's logs are written, and the schema of outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from nightslate.contracts import arrow, load
from nightslate.core.arrays import AnyArray
from nightslate.programs.logs import LANDED

STAMP = pa.timestamp("us", "UTC")
OUTCOMES = arrow.types(load("outcomes").landing_columns)


def write_day(folder: Path, day: date, logs: Mapping[str, pa.Table]) -> None:
    """Write the logs of a day into a program's landing folder, whole. Raw user ids are in it: it is closed to
    other accounts."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for log, rows in logs.items():
        day_folder = folder / log / f"ds={day}"
        day_folder.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(rows, day_folder / "part-0.parquet")
        (day_folder / LANDED).touch()


def names_at(names: tuple[str, ...], places: AnyArray) -> pa.Array:
    """The names at these places, as a column."""
    return pa.array(names).take(pa.array(places))

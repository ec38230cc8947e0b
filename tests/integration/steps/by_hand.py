"""Days of tables of the program `tiny`, written by hand."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from nightslate import programs
from nightslate.contracts import arrow as arrow_contracts
from nightslate.steps import Night
from nightslate.steps.meaning import with_meaning

from . import world

START = date(2024, 3, 1)


def day(number: int) -> date:
    return START + timedelta(days=number)


def night(home: Path, number: int) -> Night:
    return Night(programs.find(world.PROGRAM), day(number), home)


def replaced(
    of: Night, table: str, on: date, rows: list[dict[str, object]], meant: dict[str, str] | None = None
) -> None:
    handle = of.table(table)
    schema = arrow_contracts.schema(handle.contract, partition=False)
    handle.replace(on, pa.Table.from_pylist(rows, schema), with_meaning(of, table, meant))

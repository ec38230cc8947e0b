"""Days of tables of the program `tiny`, written by hand."""

from datetime import date, timedelta
from pathlib import Path

from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.stored_meaning import with_meaning
from nightslate.programs.meaning import meaning_of_evidence

from . import world

START = date(2024, 3, 1)


def day(number: int) -> date:
    return START + timedelta(days=number)


def night(home: Path, number: int) -> IssueNight:
    return world.night(home, day(number))


def replaced(
    of: IssueNight, table: str, on: date, rows: list[dict[str, object]], meant: dict[str, str] | None = None
) -> None:
    handle = of.table(table)
    if table == "evidence":
        meant = meant or meaning_of_evidence(of.issue)
    handle.replace(on, handle.typed(rows), with_meaning(of, table, meant))

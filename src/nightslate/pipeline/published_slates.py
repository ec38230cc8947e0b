"""What readers see: the slates of a day."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from nightslate import programs, settings
from nightslate.contracts import load
from nightslate.errors import ContractError, SpecError
from nightslate.tables import Warehouse


def slates_of(program: str, on: str | None) -> pa.Table:
    """The published slates of a date, by default the newest. Raises ContractError where there are none."""
    name = programs.find(program).program
    home = settings.home()
    snapshot = Warehouse(home).table(name, load("slates")).snapshot()
    days = snapshot.days()
    if not days:
        raise ContractError(f"{name} has no published slates in {home}")
    try:
        day = date.fromisoformat(on) if on else days[-1]
    except ValueError as error:
        raise SpecError(f"{on!r} is not a day: write YYYY-MM-DD") from error
    if day not in days:
        raise ContractError(f"{name} has no slates of {day}; there are slates of {days[0]} to {days[-1]}")
    return snapshot.to_arrow(day, day)

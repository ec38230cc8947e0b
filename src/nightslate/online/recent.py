"""Rows that no night of what is served has taken in yet, by user."""

from __future__ import annotations

from datetime import date

import pyarrow as pa


class Recent:
    """Of one log."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[date, pa.Table]]] = {}

    def add(self, user: str, day: date, rows: pa.Table) -> None:
        """More rows of a user and day."""
        self._rows.setdefault(user, []).append((day, rows))

    def of(self, user: str) -> list[pa.Table]:
        """All rows of a user, some at a time."""
        return [rows for _, rows in self._rows.get(user, ())]

    def forget(self, ds: date) -> None:
        """What a night has taken in: all up to this day."""
        left = {user: [(day, rows) for day, rows in mine if day > ds] for user, mine in self._rows.items()}
        self._rows = {user: mine for user, mine in left.items() if mine}

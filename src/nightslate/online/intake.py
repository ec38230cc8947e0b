"""What is posted, held to what landing files are held to, by the code that nights hold these to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError
from nightslate.kernels.conform import Conformer
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.forgotten_users import forgotten_users
from nightslate.pipeline.log_intake import accepted_at_once
from nightslate.pipeline.night import Night
from nightslate.records.json_lines import read_json_lines

Row = dict[str, Any]

_NAMED = 5
_GIVEN = ("user_id", "landed_at")
_EARLY = "before_ds"


@dataclass(frozen=True)
class TakenIn:
    """landing: rows as they land. typed: what a night makes of them, each once."""

    landing: Sequence[Row]
    typed: pa.Table


@dataclass(frozen=True)
class Intake:
    """night: any of the program's."""

    night: Night
    pseudonymise: Pseudonymiser

    def user(self, user_id: str | int, context: Mapping[str, Any], ds: date) -> pa.Table:
        """`user_id`, which is a pseudonym here, the columns of `logs.context`, null where the user does not
        agree to one, and what the user agrees to, one row. Raises ContractError."""
        declared = [column.name for column in self.night.program.logs.context]
        lacking = [name for name in declared if name not in context]
        if lacking:
            raise ContractError(
                f"context lacks {', '.join(lacking)}: send all that the program declares, with null where"
                " nothing is known"
            )
        found = self._conformed("users", [{"user_id": user_id, **context}], ds)
        _require_sound(found, "context")
        return found.select(["user_id", *declared, *self.night.program.consents])

    def activity(
        self, user_id: str | int, rows: Sequence[Mapping[str, Any]], at: datetime, days: Collection[date]
    ) -> dict[date, TakenIn]:
        """By day what was done, known from the moment `at`; days: those that are open. Raises ContractError
        that names rows and what is wrong with them, and then nothing is taken in."""
        if rows and self.night.program.logs.activity is None:
            raise ContractError("activity: the program has no log of it; declare `logs.activity`")
        for number, row in enumerate(rows):
            for name in _GIVEN:
                if name in row:
                    raise ContractError(f"activity.{number}: {name} is for the app to give; leave it out")
        landing: list[Row] = [{"user_id": user_id, **row, "landed_at": at.isoformat()} for row in rows]
        taken, left = dict[date, TakenIn](), list(range(len(landing)))
        for day in sorted({*days}, reverse=True):
            found = self._conformed("activity", [landing[place] for place in left], day)
            early = pc.fill_null(pc.equal(found["_reason"], _EARLY), False).to_pylist()
            if day == min(days):
                _require_open(day, [place for place, is_early in zip(left, early, strict=True) if is_early])
            mine = [place for place, is_early in zip(left, early, strict=True) if not is_early]
            typed = found.filter(pa.array([not is_early for is_early in early], pa.bool_()))
            _require_sound(typed, "activity", mine)
            _require_past(typed, at, mine)
            if mine:
                taken[day] = TakenIn([landing[place] for place in mine], self._each_once(typed))
            left = [place for place, is_early in zip(left, early, strict=True) if is_early]
        return taken

    def unknown_kinds(self, taken: Iterable[TakenIn]) -> str:
        """A word on kinds of activity that the program does not name, which are kept; empty without any."""
        declared = self.night.program.logs.activity
        kinds = Counter(kind for each in taken for kind in each.typed["kind"].to_pylist())
        return declared.unknown(kinds) if declared else ""

    def typed_again(self, log: str, path: Path, ds: date) -> pa.Table:
        """The rows of a file that the app has landed, as a night takes them in."""
        return accepted_at_once([path], self._conformer(log, ds))

    def _conformer(self, log: str, ds: date) -> Conformer:
        """Users who asked to be forgotten are looked up each time: that holds at once."""
        forgotten = forgotten_users(self.night, self.pseudonymise)
        return Conformer(self.night.contract(log), ds, self.pseudonymise, forgotten=forgotten)

    def _each_once(self, rows: pa.Table) -> pa.Table:
        """Rows that are equal in all columns are copies of one, of which ingest drops all but one."""
        names = [column.name for column in self.night.contract("activity").landing_columns]
        return rows.group_by(names, use_threads=False).aggregate([]).select(names)

    def _conformed(self, log: str, rows: Sequence[Mapping[str, Any]], ds: date) -> pa.Table:
        """The rows as ingest takes them in, in their order, each with its verdict."""
        conformer = self._conformer(log, ds)
        try:
            text = "".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows).encode()
        except ValueError as error:
            raise ContractError(f"{log}: {error}") from None
        parts = [conformer(chunk, log) for chunk in read_json_lines(iter([text]))] if rows else []
        return pa.concat_tables([conformer.schema().empty_table(), *parts]).sort_by("_number")


def _require_sound(found: pa.Table, what: str, places: Sequence[int] | None = None) -> None:
    """Raise ContractError that names the first rows that break a clause; places: of rows in the request."""
    wrong = [at for at, sound in enumerate(found["_reason"].is_null().to_pylist()) if not sound]
    if wrong:
        clauses = found["_clause"].to_pylist()
        said = [
            f"{what}.{places[at]}: {clauses[at]}" if places else f"{what}: {clauses[at]}"
            for at in wrong[:_NAMED]
        ]
        more = f"; and {len(wrong) - _NAMED} more rows" if len(wrong) > _NAMED else ""
        raise ContractError(f"{'; '.join(said)}{more}")


def _require_past(found: pa.Table, at: datetime, places: Sequence[int]) -> None:
    late = pc.greater(found["occurred_at"], pa.scalar(at, found["occurred_at"].type)).to_pylist()
    for place, is_late in zip(places, late, strict=True):
        if is_late:
            raise ContractError(
                f"activity.{place}: occurred_at is in the future; it is {at.isoformat()} here"
            )


def _require_open(first: date, early: Sequence[int]) -> None:
    if early:
        raise ContractError(
            f"activity.{early[0]}: occurred_at is before {first}, the first day that is not closed yet"
        )

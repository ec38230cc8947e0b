"""Forgets a user of a program: everything that is kept of them goes, and what lands of them later is
dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

import pyarrow as pa

from nightslate.contracts import load
from nightslate.errors import SpecError
from nightslate.forgetting import landing_rows, table_rows
from nightslate.forgetting.learnt_models import LearntModel, learnt_models
from nightslate.forgetting.leftovers import (
    discard_on_their_way,
    land_what_is_served,
    remove_pages,
    take_out_of_journals,
)
from nightslate.forgetting.request import Request, begun
from nightslate.forgetting.table_rows import files_of_older_versions, stored_tables
from nightslate.forgetting.user_rows import UserRows
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.landing_files import KEY, id_form_of
from nightslate.programs import Program
from nightslate.records.ids import FIRST_FORM
from nightslate.tables import Snapshot, Warehouse

PROOF = "forgotten"


@dataclass(frozen=True)
class Forgotten:
    """What was done. rows: by place those that were taken out. models: those that had learnt from the user;
    None where nobody knows, for want of the program. attempts: what was staged, and has to be staged again.
    pages: that were removed. unread: landing files that nobody can read. older: files of older versions with
    rows of the user, which are removed by now, or wait for vacuum."""

    program: str
    request: str
    rows: dict[str, int]
    models: Sequence[LearntModel] | None
    attempts: int
    pages: Sequence[Path]
    unread: Sequence[Path]
    older: Sequence[Path]

    @property
    def nights(self) -> list[date]:
        """Those that have to run again so that models have not learnt from the user."""
        return sorted({night for model in self.models or () for night in model.nights})


def forget(
    home: Path, name: str, program: Program | None, user: str, pseudonymise: Pseudonymiser, at_once: bool
) -> Forgotten:
    """user: the id as it lands. program: as it is declared; None where it is no more. at_once: files of older
    versions go, too, whoever still reads them.

    Killed at any moment and run again it leaves what it would have left. Raises SpecError where the
    pseudonyms of the warehouse are of another key, CommitConflictError while the app serves the program,
    another process forgets somebody, or nights bring rows back.
    """
    warehouse = Warehouse(home)
    tables = stored_tables(warehouse, name)
    users = tables["users"].snapshot() if "users" in tables else None
    _require_same_key(users, pseudonymise)
    names = pseudonymise(pa.array([user]))
    pseudonym, tag = str(names[0]), str(pseudonymise.tags(names)[0])
    with begun(warehouse.forgotten(name), tag) as request:
        land_what_is_served(warehouse, name)
        all_as_text = users is not None and id_form_of(users) == FIRST_FORM
        unread = landing_rows.take_out(warehouse, name, user, all_as_text, request)
        rows = UserRows.of(pseudonym, tables)
        table_rows.take_out(tables, rows, request)
        attempts = discard_on_their_way(warehouse, name, tables, rows)
        take_out_of_journals(warehouse, name, pseudonym, request)
        pages = remove_pages(warehouse, name, pseudonym)
        shown, known = request.days("tables/impressions"), request.days("tables/users")
        models = learnt_models(program, tables, shown, known) if program else None
        older = files_of_older_versions(tables, rows)
        for path in older if at_once else ():
            path.unlink()
        _prove(warehouse, name, request, models or ())
        request.finish()
    counts = {place: sum(of_place.values()) for place, of_place in sorted(request.counts.items())}
    return Forgotten(name, request.id, counts, models, attempts, pages, unread, older)


def _require_same_key(users: Snapshot | None, pseudonymise: Pseudonymiser) -> None:
    """Under another key the user would be a stranger, and nothing would be found."""
    if users is None or not users.days():
        return
    last = users.days()[-1]
    before = users.metadata(last).get(KEY, pseudonymise.key_name)
    if before != pseudonymise.key_name:
        raise SpecError(
            f"{KEY} is {pseudonymise.key_name} now and was {before} on {last}: the user would not be found."
            " Put it back"
        )


def _prove(warehouse: Warehouse, name: str, request: Request, models: Sequence[LearntModel]) -> None:
    """What was taken out where, and nothing about whose it was."""
    table, day = warehouse.table(name, load(PROOF)), request.begun_at.astimezone(UTC).date()
    common = {"request_id": request.id, "begun_at": request.begun_at}
    mine = [
        {
            **common,
            "place": place,
            "count": sum(of_place.values()),
            "days": [found.isoformat() for found in sorted(of_place)],
            "digests": [],
        }
        for place, of_place in sorted(request.counts.items())
    ]
    mine += [
        {
            **common,
            "place": model.place,
            "count": len(model.nights),
            "days": [night.isoformat() for night in model.nights],
            "digests": list(model.digests),
        }
        for model in models
    ]
    nothing = {**common, "place": "nowhere", "count": 0, "days": [], "digests": []}
    others = [row for row in table.rows(day, day).to_pylist() if row["request_id"] != request.id]
    table.replace(day, table.typed([*others, *(mine or [nothing])]), {})

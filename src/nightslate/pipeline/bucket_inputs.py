"""What tasks read of a table: the files of some days, dealt into user buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from nightslate.contracts import arrow as arrow_contracts
from nightslate.engines import Input, Withdrawals
from nightslate.kernels.consents import DAY, USER
from nightslate.kernels.trajectories import NEXT
from nightslate.pipeline.night import Night
from nightslate.tables import DataFile, Table

_DAY = timedelta(days=1)


def bucket_input(night: Night, table: Table, columns: Sequence[str], since: date) -> Input:
    """Columns of a table from `since` up to this night, from one pinned snapshot, but for what users do not
    agree to: they did not when a row was written, or do not any more."""
    schema = arrow_contracts.schema(table.contract)
    found = Input(table.snapshot().files(since, night.ds), schema).columns(columns)
    needs = night.program.needs
    needs = needs | {NEXT + name: consent for name, consent in needs.items()}
    needs = {name: consent for name, consent in needs.items() if name in columns}
    if not needs:
        return found
    users = users_asked(night, night.table("users"), tuple(dict.fromkeys(needs.values())))
    return replace(
        found, withdrawn=Withdrawals(users, needs, night.said_since, own=bool(table.contract.needs))
    )


def users_asked(night: Night, users: Table, consents: Sequence[str]) -> Input:
    """What the users of the day agree to. Of a day that is not over those of the day before too, whose
    consents stand until they have landed again."""
    since = night.ds if night.said_since is None else night.ds - _DAY
    return bucket_input(night, users, (USER, DAY, *consents), since)


def slates_day_input(table: Table, day: date | None, columns: Sequence[str]) -> Input:
    """Columns of a table that is kept by the day of slates, the day itself among them: of one day, from one
    pinned snapshot; of none, no rows."""
    files = [] if day is None else table.snapshot().files(day, day)
    return files_input(table, files, columns)


def files_input(table: Table, files: Sequence[DataFile], columns: Sequence[str]) -> Input:
    """Columns of some files of a table, that of its partition among them."""
    schema, partition = arrow_contracts.schema(table.contract), table.contract.partition
    return Input(files, schema, partition=partition).columns(columns)

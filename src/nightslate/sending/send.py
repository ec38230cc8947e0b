"""The command `nightslate send`: from a day and files to a mailing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError, SpecError
from nightslate.kernels.conditions import holding
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.landing_files import KEY
from nightslate.pipeline.night import Night
from nightslate.programs.conditions import columns_of
from nightslate.sending.addresses import Addresses, opted_out
from nightslate.sending.due import sends_of
from nightslate.sending.journal import Journal
from nightslate.sending.mailing import Clock, Mailed, Mailing, in_words
from nightslate.sending.smtp import Connection, Server
from nightslate.sending.templates import templates

_MOST_NAMED = 20


def journal_of(night: Night) -> Journal:
    """Where it is kept which sends of the day `night.ds` were handed over."""
    return Journal(night.home / "sending" / night.name / night.ds.isoformat())


def send(
    night: Night,
    channel: str,
    addresses: Path,
    folder: Path,
    server: Server,
    per_second: float,
    opt_outs: Path | None = None,
    clock: Clock | None = None,
) -> Iterator[str]:
    """Send what is due of the day `night.ds` by a channel; yields lines on what was done. Raises as
    `sends_of`, `Addresses.read`, `templates` and `Mailing.run`."""
    if not per_second > 0:
        raise SpecError(f"--per-second {per_second:g}: more than 0")
    pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
    _require_key(night, pseudonymise)
    sends, journal = sends_of(night, channel), journal_of(night)
    of_users = Addresses.read(addresses, pseudonymise)
    mailing = Mailing(
        journal=journal,
        addresses=of_users.of,
        opted_out=_withdrawn(night, channel) | (opted_out(opt_outs, pseudonymise) if opt_outs else set()),
        templates=templates(folder, pc.unique(sends["arm_id"]).to_pylist()),
        connection=Connection(server),
        per_second=per_second,
        clock=clock or Clock(),
    )
    if of_users.wrong:
        yield f"{addresses}: {of_users.wrong} rows have no address that can be one"
    mailed = mailing.run(sends.to_pylist())
    yield f"{night.name} by {channel} on {night.ds}: {in_words(mailed)}"
    yield from _unknown(mailed, journal)


def _unknown(mailed: Mailed, journal: Journal) -> Iterator[str]:
    if mailed.unknown:
        named, more = ", ".join(mailed.unknown[:_MOST_NAMED]), len(mailed.unknown) - _MOST_NAMED
        yield (
            f"whether these were sent is unknown, and they will not be sent again: {named}"
            f"{f' and {more} more without an answer below {journal.folder}' if more > 0 else ''}"
        )


def _require_key(night: Night, pseudonymise: Pseudonymiser) -> None:
    """Raise ContractError where users have other pseudonyms than the key gives them: nobody would be
    found."""
    before = night.ds - timedelta(days=1)
    said = night.table("users").snapshot().metadata(before).get(KEY)
    if said is not None and said != pseudonymise.key_name:
        raise ContractError(
            f"the users of {before} have pseudonyms of the key {said}, and NIGHTSLATE_PSEUDONYM_KEY is"
            f" {pseudonymise.key_name}"
        )


def _withdrawn(night: Night, channel: str) -> set[str]:
    """The users who have said no to the channel since: those of the newest day that has landed from the day
    of the slates on. Consent that goes by features is known by nights alone, and looked at by them."""
    said, users = night.program.sends, night.table("users").snapshot()
    if said is None:
        return set()
    consent = said.consents(night.program.context)[channel]
    landed = {column.name for column in night.program.logs.context}
    columns = columns_of(consent)
    days = [day for day in users.written() if day >= night.ds]
    if not days or not landed.issuperset(columns):
        return set()
    rows = users.to_arrow(max(days), max(days), ["user_id", *columns])
    refused = pc.invert(pc.fill_null(holding(rows, consent), False))
    return {*rows["user_id"].filter(refused).cast(pa.string()).to_pylist()}

"""What users say of the consents that a program asks for: in the table `users`, and in what has landed of it
before a night takes it in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from nightslate.engines import Input
from nightslate.kernels.conform import Conformer
from nightslate.kernels.consents import DAY, USER, Consents
from nightslate.kernels.ingest import OfFile
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.night import Night
from nightslate.tables import Table

_DAY = timedelta(days=1)


def users_asked(night: Night, users: Table, consents: Collection[str], whole: bool) -> Input:
    """The users of the day with what they agree to. whole: whether the day is; if not, those of the day
    before too, whose consents stand until they have landed again."""
    since = night.ds if whole else night.ds - _DAY
    return bucket_input(night, users, (USER, DAY, *consents), since)


def consents_landed(night: Night, files: Sequence[Path]) -> Consents | None:
    """Those in files of the night's own day, which no night has taken in; None where the program asks for
    none. Of rows that contradict one another each is heard: one that agrees to nothing is enough."""
    needs, consents = night.program.needs, night.program.consents
    if not needs:
        return None
    conformer = Conformer(night.contract("users"), night.ds, Pseudonymiser.from_environment())
    landed = [rows for file in files for (what, _), rows in OfFile(conformer, 1)(file) if what == "rows"]
    rows = pa.concat_tables([conformer.schema().empty_table(), *landed]).select([USER, *consents])
    days = pa.repeat(pa.scalar(night.ds, pa.date32()), rows.num_rows)
    return Consents.of(needs, rows.append_column(DAY, days))

"""What users who have landed on a day that is not over say of the consents that a program asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from nightslate.kernels.conform import Conformer
from nightslate.kernels.consents import DAY, USER, Consents
from nightslate.kernels.ingest import OfFile
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night

AnyNight = TypeVar("AnyNight", bound=Night)


def open_night(night: AnyNight, files: Sequence[Path]) -> AnyNight:
    """The night of a day that is not over, which heeds what users withdraw in these files of its own day. Of
    rows that contradict one another each is heard: one that does not agree is enough."""
    needs, consents = night.program.needs, night.program.consents
    if not needs:
        return night
    pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
    conformer = Conformer(night.contract("users"), night.ds, pseudonymise)
    landed = [rows for file in files for (what, _), rows in OfFile(conformer, 1)(file) if what == "rows"]
    rows = pa.concat_tables([conformer.schema().empty_table(), *landed]).select([USER, *consents])
    days = pa.repeat(pa.scalar(night.ds, pa.date32()), rows.num_rows)
    return replace(night, said_since=Consents.of(needs, rows.append_column(DAY, days)).refusing())

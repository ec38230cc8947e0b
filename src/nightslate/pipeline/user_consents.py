"""What users who have landed on a day that is not over say of the consents that a program asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from nightslate.kernels.conform import Conformer
from nightslate.kernels.consents import DAY, USER, Consents
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.log_intake import conformed_one_by_one, rejected_in_words
from nightslate.pipeline.night import Night

AnyNight = TypeVar("AnyNight", bound=Night)


def open_night(night: AnyNight, files: Sequence[Path]) -> tuple[AnyNight, list[str]]:
    """The night of a day that is not over, which heeds what users withdraw in these files of its own day. Of
    rows that contradict one another each is heard: one that does not agree is enough. And which rows break
    the contract, in words: they are not."""
    needs, consents = night.program.needs, night.program.consents
    if not needs:
        return night, []
    pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
    landed = conformed_one_by_one(files, Conformer(night.contract("users"), night.ds, pseudonymise))
    days = pa.repeat(pa.scalar(night.ds, pa.date32()), landed.rows.num_rows)
    said = landed.rows.select([USER, *consents]).append_column(DAY, days)
    heeding = replace(night, said_since=Consents.of(needs, said).refusing())
    return heeding, rejected_in_words("users", landed.rejects)

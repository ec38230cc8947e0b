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
from nightslate.pipeline.log_intake import Conformed, conformed_one_by_one
from nightslate.pipeline.night import Night

AnyNight = TypeVar("AnyNight", bound=Night)


def landed_users(night: Night, files: Sequence[Path]) -> Conformed:
    """The users in some files of the day of a night."""
    pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
    return conformed_one_by_one(files, Conformer(night.contract("users"), night.ds, pseudonymise))


def open_night(night: AnyNight, users: pa.Table) -> AnyNight:
    """The night of a day that is not over, which heeds what users withdraw in these rows of its own day. Of
    rows that contradict one another each is heard: one that does not agree is enough."""
    needs, consents = night.program.needs, night.program.consents
    if not needs:
        return night
    days = pa.repeat(pa.scalar(night.ds, pa.date32()), users.num_rows)
    said = users.select([USER, *consents]).append_column(DAY, days)
    return replace(night, said_since=Consents.of(needs, said).refusing())

"""Who gets slates of an issue, by their contexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.conditions import holding
from nightslate.programs.conditions import Condition


@dataclass(frozen=True)
class EligibleUsers:
    """`values`: by context column those that are asked for; whoever lacks one of them is not eligible.
    `concern`: what has to hold besides; nobody is eligible of whom it can't be told."""

    values: Mapping[str, tuple[str, ...]]
    concern: Condition | None = None

    def __call__(self, users: pa.Table) -> pa.Table:
        """Those among some users that are eligible."""
        for column, wanted in self.values.items():
            users = users.filter(pc.is_in(users[column], pa.array(wanted, pa.string())))
        return users if self.concern is None else users.filter(holding(users, self.concern))

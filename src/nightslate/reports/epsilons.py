"""The epsilon that a night chose of a learner, beside the others that it could have chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Explored:
    """What the page says about one learner: rows of its sweep, in the order of epsilons."""

    learner: str
    rows: list[dict[str, Any]]

    @property
    def chosen(self) -> dict[str, Any]:
        """The row that is played."""
        return next(row for row in self.rows if row["chosen"])

    @property
    def estimated(self) -> bool:
        """Whether a bound told it from others."""
        return self.chosen["lower"] is not None


def explored(sweeps: pa.Table) -> list[Explored]:
    """The learners whose epsilon was chosen, by name."""
    rows = sweeps.filter(pc.is_valid(sweeps["chosen"])).sort_by(
        [("learner", "ascending"), ("epsilon", "ascending")]
    )
    learners = dict.fromkeys(rows["learner"].to_pylist())
    return [Explored(name, [row for row in rows.to_pylist() if row["learner"] == name]) for name in learners]

"""What the gate has heard in a champion's reign: how each challenger's capital grew, and which rewards
counted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.evidence import BETS, log_capitals

MOST_DRAWN = 6
"""As many challengers as there are colours to tell them apart by."""


@dataclass(frozen=True)
class Growth:
    """A challenger's capital after each day shown, as natural logarithms; `needed`: the one at which it is
    promoted."""

    challenger: str
    needed: float
    days: list[date]
    log_capital: list[float]


@dataclass(frozen=True)
class Heard:
    """What counted of a reign's days: units, those whose reward was `clipped` at `low` or `high` (the widest
    range of any day), and those `left_out` because their user had more than `max_units` on the day."""

    days: int
    units: int
    clipped: int
    left_out: int
    max_units: int
    low: float
    high: float


def growths(evidence: pa.Table, promotions: Iterable[Mapping[str, Any]]) -> list[Growth]:
    """Those of challengers with evidence, in the order in which they joined; of many, those nearest to their
    promotion. `evidence`: rows of the table of that name, of one reign."""
    found = []
    for row in sorted(promotions, key=lambda row: row["joined"] or 0):
        terms = evidence.filter(pc.field("policy") == row["challenger"]).sort_by("ds")
        if terms.num_rows:
            grown = np.array(terms["log_growth"].to_pylist(), dtype=np.float64).reshape(-1, BETS.size)
            capital = log_capitals(grown).tolist()
            found.append(Growth(row["challenger"], -math.log(row["alpha"]), terms["ds"].to_pylist(), capital))
    nearest = sorted(found, key=lambda growth: growth.needed - growth.log_capital[-1])[:MOST_DRAWN]
    return [growth for growth in found if growth in nearest]


def heard(evidence: pa.Table) -> Heard | None:
    """What counted of the days of one reign, whose users count once for all pairs of policies; None before
    the first one."""
    if not evidence.num_rows:
        return None
    counts = ("units", "clipped", "left_out")
    days = evidence.group_by("ds").aggregate([(name, "max") for name in counts])
    total = {name: pc.sum(days[f"{name}_max"]).as_py() for name in counts}
    return Heard(
        days=days.num_rows,
        **total,
        max_units=pc.min(evidence["max_units"]).as_py(),
        low=pc.min(evidence["reward_low"]).as_py(),
        high=pc.max(evidence["reward_high"]).as_py(),
    )

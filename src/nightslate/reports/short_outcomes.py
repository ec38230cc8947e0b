"""What came before the horizon of staying is over: what the page says beside what policies are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports import estimands, plots
from nightslate.reports.document import Figure, figure
from nightslate.reports.numbers import Reward

_SOON = Reward("what came soon", rate=False)


@dataclass(frozen=True)
class CameSoon:
    """Rows of the table `evaluations` on each policy, and the days that they are about."""

    rows: list[dict[str, Any]]
    days: str
    chart: Figure | None


def came_soon(evaluations: pa.Table) -> CameSoon:
    """Of all rows of a night those on short outcomes of which there were any."""
    known = (pc.field("n") > 0) & pc.field("reference").is_null()
    rows = estimands.short_outcomes(evaluations).filter(known)
    return CameSoon(
        rows=rows.to_pylist(),
        days=estimands.days(rows.to_pylist()[0]) if rows.num_rows else "",
        chart=figure(
            plots.policy_values(rows, _SOON),
            "What came soon of what each policy would have chosen, with its interval. The table below holds"
            " the same numbers.",
        ),
    )

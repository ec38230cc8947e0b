"""What a night saw of how late rewards come: for MLflow, for a person, and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightslate.kernels.rewards import Matured
from nightslate.pipeline.night import IssueNight


@dataclass(frozen=True)
class DelaysFound:
    """Figures, words and rows; none for a program that weights no young impressions."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    words: str = ""
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def delays_found(night: IssueNight, matured: Matured) -> DelaysFound:
    """What the impressions that learners are fitted on show."""
    if matured.maturity is None:
        return DelaysFound()
    rows = matured.maturity.rows()
    differing = sorted({row["kind"] for row in rows if row["differs"]})
    return DelaysFound(
        metrics={
            f"delay.{kind}.median_days": days for kind, days in matured.maturity.median_delays().items()
        },
        words=f", delays of {', '.join(differing)} differ (see the report)" if differing else "",
        tables={"delays": [{"issue": night.issue.name, **row} for row in rows]},
    )

"""What rows of the table `readouts` have in common."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from nightslate.core.experiments import Difference, Moments
from nightslate.kernels.named_states import Place
from nightslate.kernels.readouts import Figure
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import end_of
from nightslate.programs.readouts import Metric

_MOST_VALUES = 50
"""Of a segment's column, those of the most users."""

_LARGEST = math.log(1e300)
"""Of e-values: beyond it float64 ends."""


def told(found: Difference) -> dict[str, Any]:
    """A difference, by column."""
    e_value = None if found.log_e is None else math.exp(min(found.log_e, _LARGEST))
    return {**asdict(found), "e_value": e_value}


def same(night: IssueNight, since: date, figure: Figure) -> dict[str, Any]:
    """What all rows of a figure say."""
    return {
        "issue": night.issue.name,
        "experiment": night.issue.salt,
        "metric": figure.metric,
        "scope": figure.scope,
        "control": night.issue.experiment.control,
        "confidence": night.issue.evaluation.confidence,
        **_days(night, since, figure),
    }


def shown(states: Mapping[Place, Moments]) -> list[tuple[str | None, str | None, str | None]]:
    """Which cells there are, of a segment's values those of the most users."""
    users = Counter[tuple[str | None, str | None]]()
    for (_, column, value), moments in states.items():
        users[column, value] += int(moments.n)
    ranked = sorted(users, key=lambda cell: (-users[cell], repr(cell)))
    columns = Counter[str | None]()
    kept = set()
    for cell in ranked:
        columns[cell[0]] += 1
        if columns[cell[0]] <= _MOST_VALUES:
            kept.add(cell)
    return sorted(((v, c, value) for v, c, value in states if (c, value) in kept), key=repr)


def _days(night: IssueNight, since: date, figure: Figure) -> dict[str, date]:
    """The first and the last day on which users count who were new to it."""
    last = night.ds
    metric: Metric | None = night.issue.experiment.metrics.get(figure.metric)
    if figure.period in ("cumulative", "novelty") and metric is not None and metric.lasts is not None:
        last = (end_of(night.ds) - metric.begins - metric.lasts).date()
    return {"first_day": since, "last_day": max(since, min(last, night.ds))}

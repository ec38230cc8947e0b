"""What the page of a night of a rollout shows: the rows of its tables, and what its experiment asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from nightslate.programs.readouts import Guardrail
from nightslate.reports.experiment import ExperimentReadout

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RolloutReport:
    """One night of one experiment whose shares follow the context.

    control, treatments: its variants. foremost, guardrails: the metric that is decided by, and those that may
    not get worse. rollouts, shares: rows of the tables `rollouts` and `rollout_shares`, of all days of the
    experiment up to `slates_date`. readouts: rows of the table of that name, of all its nights, of all users
    who were shown anything so far. models, contributions: tonight's rows of the tables `effect_models` and
    `score_contributions`; signals, stops: all rows so far of the tables of these names. users: a few, as
    `RolloutSample` has them.
    experiment: what the readout says tonight; None where the experiment has no metrics.
    quarantine: log, reason, clause, rows. rows, rows_before: how many rows each table got tonight, and the
    night before. provenance: versions and digests, by name. min_cell: the fewest users of which anything is
    told."""

    program: str
    description: str
    ds: date
    slates_date: date
    all_nights: str
    control: str
    treatments: Sequence[str]
    foremost: str
    guardrails: Sequence[Guardrail]
    rollouts: pa.Table
    shares: pa.Table
    readouts: pa.Table
    models: pa.Table
    contributions: pa.Table
    signals: pa.Table
    stops: pa.Table
    users: Sequence[Row]
    experiment: ExperimentReadout | None
    quarantine: pa.Table
    rows: Mapping[str, int]
    rows_before: Mapping[str, int]
    provenance: Mapping[str, str]
    min_cell: int = 1

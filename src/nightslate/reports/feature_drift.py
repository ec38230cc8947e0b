"""How far features are from those of the days before, as the page of a night says it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from nightslate.core.features import MOVED, STABLE
from nightslate.reports.numbers import significant

_LEAST = 0.001
"""An index below it is not worth its digits."""


def how_far(drift: pa.Table) -> list[dict[str, Any]]:
    """Features, those that have moved the most first, with a word on how far."""
    rows = sorted(drift.to_pylist(), key=lambda row: (-(row["psi"] or 0.0), row["feature"]))
    return [{**row, "moved": _in_a_word(row["psi"]), "index": _index(row["psi"])} for row in rows]


def _in_a_word(psi: float | None) -> str:
    if psi is None:
        return "no days before"
    return "stable" if psi < STABLE else "moving" if psi <= MOVED else "moved"


def _index(psi: float | None) -> str:
    return f"under {_LEAST}" if psi is not None and 0 < psi < _LEAST else significant(psi)

"""The tables that a night learns from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from nightslate.pipeline.night import Night
from nightslate.tables import Table


@dataclass(frozen=True)
class LogTables:
    """Logs, and what steps made of them."""

    impressions: Table
    features: Table
    features_of_arms: Table
    credits: Table
    transitions: Table

    @classmethod
    def of(cls, night: Night) -> Self:
        """Those of a night, for who is no step."""
        return cls(**{field.name: night.table(field.name) for field in fields(cls)})

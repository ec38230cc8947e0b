"""Updates between nights: how often, and how late rows of an open day may still land."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from nightslate.programs.strict import Duration, Strict


class Updates(Strict):
    """`every`: how often Airflow updates. `lateness`: how long after the newest outcome that has landed older
    ones may still land; what is known reaches as far as that, in whole hours."""

    every: Duration = Field(default="1h", validate_default=True)
    lateness: Duration = Field(default="10m", validate_default=True)

    @field_validator("every")
    @classmethod
    def _is_within_a_day(cls, every: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= every <= timedelta(days=1):
            raise ValueError("updates.every: from 5m to 1d")
        return every

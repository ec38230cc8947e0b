"""What every part of a program is made of: strict models, names, shares and durations."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=1000)]
"""A line that pages and tables of Airflow have room for."""

MOST_DAYS = 3660
"""Ten years: a night looks each day of its windows up."""
MOST_ROWS = 1_000_000_000
MOST_WORTH = 1e12
"""Far over what anyone means; squares of it, summed over as many rows as can be, are numbers still."""

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
"""Between them every clock and library can tell the time."""

Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
Worth = Annotated[float, Field(ge=-MOST_WORTH, le=MOST_WORTH)]
Strength = Annotated[float, Field(gt=0, le=MOST_WORTH)]
"""A belief in rows, or a factor."""


def _duration(value: object) -> object:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}[mhd]", value):
        return timedelta(**{units[value[-1]]: int(value[:-1])})
    raise ValueError("a duration is a whole number and a unit: 30m, 12h or 14d")


def _sane(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a duration must be longer than nothing")
    if value > timedelta(days=MOST_DAYS):
        raise ValueError(f"a duration must be {MOST_DAYS}d (ten years) at most")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_sane)]


class Strict(BaseModel):
    """Unknown keys, converted values, infinity and NaN are errors: a typo must not become a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

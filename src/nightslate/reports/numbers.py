"""Numbers as people read them: three significant digits, a real minus sign, percent for a rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

_ROUNDING = 1e-12
"""What sums of equal terms may differ by: under it there is nothing to show."""


def significant(value: float | None, digits: int = 3) -> str:
    """`value` to so many significant digits, without an exponent down to 1e-6; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) < _ROUNDING:
        return "0"
    if abs(value) < 1e-6:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share of 1 in percent: 0.0038 reads 0.380 %."""
    return (
        significant(share) if share is None or not math.isfinite(share) else f"{significant(100 * share)} %"
    )


def setting(value: float) -> str:
    """A number that somebody chose, with no digits they did not write: 95, 0.5, 1,000."""
    return f"{value:,.6g}"


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return MISSING if value is None else f"{value:,}".replace("-", MINUS)


def signed(text: str) -> str:
    """A formatted number with a plus where it is positive."""
    return text if text == "0" or text.startswith((MINUS, MISSING)) else f"+{text}"


def short(name: str) -> str:
    """A name as a page writes it: arms are called what their owners call them, at whatever length."""
    return name if len(name) <= 60 else f"{name[:59]}…"


def finite(value: float | None) -> bool:
    """Whether there is a number to show or to draw."""
    return value is not None and math.isfinite(value)


@dataclass(frozen=True)
class Reward:
    """How a program's reward is written. `name` is what it counts ("clicks per impression"); a `rate` is a
    probability, so values are in percent and differences in percentage points (pp)."""

    name: str
    rate: bool

    @property
    def factor(self) -> float:
        """What a value is multiplied by before it is drawn or written."""
        return 100.0 if self.rate else 1.0

    @property
    def unit(self) -> str:
        """What a value counts once it is multiplied by `factor`."""
        return f"{self.name}, in percent" if self.rate else self.name

    @property
    def unit_of_differences(self) -> str:
        """The same of a difference of two values."""
        return f"{self.name}, in percentage points" if self.rate else self.name

    def value(self, value: float | None) -> str:
        """A mean reward."""
        return percent(value) if self.rate else significant(value)

    def difference(self, value: float | None) -> str:
        """A difference of two mean rewards, with its sign."""
        if not self.rate or value is None or not math.isfinite(value) or abs(value) < _ROUNDING:
            return signed(significant(value))
        return f"{signed(significant(100 * value))} pp"

    def interval(self, lower: float | None, upper: float | None) -> str:
        """Both ends in the unit of a value."""
        return _interval(self.value(lower), self.value(upper), " %")

    def difference_interval(self, lower: float | None, upper: float | None) -> str:
        """Both ends in the unit of a difference."""
        return _interval(self.difference(lower), self.difference(upper), " pp")


def _interval(lower: str, upper: str, unit: str) -> str:
    if lower == upper == MISSING:
        return MISSING
    return f"{lower.removesuffix(unit) if upper.endswith(unit) else lower} to {upper}"

"""The terms of some cohorts in order of days, as one bet that is still on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.evidence.capital import log_capital, lower_bound, value_lower_bound
from nightslate.core.evidence.stakes import Stakes


@dataclass(frozen=True, eq=False)
class EProcess:
    """Of each cohort the stakes, how many units counted (cohorts,), the sum of their increments without the
    margin (cohorts,), and the growth of each bet (cohorts, K)."""

    stakes: Sequence[Stakes]
    units: Ints
    totals: Floats
    log_growths: Floats

    @property
    def log_capital(self) -> float:
        """The logarithm of what a capital of 1 has become."""
        return log_capital(self.log_growths)

    @property
    def difference(self) -> float | None:
        """The mean difference of two policies over all units, in units of reward; None without units."""
        units = int(self.units.sum())
        return float(self.totals @ [each.span for each in self.stakes]) / units if units else None

    @property
    def value(self) -> float | None:
        """The mean of what one policy earns over all units, of terms without a reference."""
        over = self.difference
        if over is None:
            return None
        return over + float(np.average([each.low for each in self.stakes], weights=self.units))

    def difference_lower(self, alpha: float) -> float | None:
        """What the difference is at least; missed at any look ever with probability alpha at most."""
        return lower_bound(self.stakes, self.units, self.log_growths, alpha)

    def value_lower(self, alpha: float) -> float | None:
        """What the value is at least; missed at any look ever with probability alpha at most."""
        return value_lower_bound(self.stakes, self.units, self.log_growths, alpha)

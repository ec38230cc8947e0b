"""Rewards that come late: which share of an impression's credit has come by its age.

A young impression has had a part of its time only: what it has earned by now is too little, and that it has
earned nothing says little. Where G(a) is the share of credit that comes within a of the impression, credit /
G(a) has the mean of what an impression of age a will have earned in the end, as long as the delay does not
depend on what else is known: inverse probability of censoring weighting (Robins and Rotnitzky, 1992; Bang and
Tsiatis, 2000).

G is estimated from the credits of impressions of all ages. Of those who are old enough for a lag to be seen,
the share of the credit up to this lag that came just at it is the reversed hazard of the delay, and G(a) the
product of its complements over all longer lags: the product-limit estimate of right-truncated times
(Lynden-Bell, 1971; Lagakos, Barraj and De Gruttola, 1988), which is Kaplan and Meier's with time running
backwards, with credit for counts. How much impressions earn may change from day to day, as it does when
policies learn: only credit is compared with credit. (The mean cumulative function of Nelson, 1995, compares
it with impressions, and sees delays where those shown later earn more.) Where everyone has had the whole
window and earns at most once, it is one minus the Kaplan-Meier estimate, divided by its value at the end.

Time is counted in steps of a kind's window, and what an impression earned in a step that it has not had the
whole of is left out, both of G and of its reward: no rounding biases either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, Sums, finite, indices
from nightslate.core.errors import InvalidInputError

STEPS = 512
"""How many equal steps a window has."""


@dataclass(frozen=True, eq=False)
class Credited:
    """m credits, all (m,): `kinds` 0..K-1, `amounts`, `lags` from the impression to the outcome, and `ages`
    of the impression. Times are in microseconds; a lag below 0 counts as 0.

    Raises InvalidInputError where lengths differ, an amount is not finite, or times are no integers."""

    kinds: Ints
    amounts: Floats
    lags: Ints
    ages: Ints

    def __post_init__(self) -> None:
        shape = (len(self.kinds),)
        finite("amounts", self.amounts, shape)
        for name, times in (("lags", self.lags), ("ages", self.ages)):
            if times.shape != shape or times.dtype.kind not in "iu":
                raise InvalidInputError(
                    f"{name} must be integers of shape {shape}, got {times.dtype} {times.shape}"
                )


@dataclass(frozen=True, eq=False)
class DelaySums(Sums):
    """Absolute amounts of credits by kind and step, each (K, STEPS + 1): `came`, by the steps that it takes
    to see them; `watched`, by the steps that their impressions have had."""

    came: Floats
    watched: Floats

    @classmethod
    def zero(cls, n_kinds: int) -> Self:
        """No credits yet."""
        return cls(*np.zeros((2, n_kinds, STEPS + 1)))

    def update(self, windows: Ints, credited: Credited) -> Self:
        """These sums and more credits: of some impressions, all that are known. `windows` (K,) > 0 of each
        kind, in microseconds. Raises InvalidInputError for other numbers."""
        n_kinds = len(self.came)
        _require_windows(windows, n_kinds)
        kinds = indices("kinds", credited.kinds, np.shape(credited.kinds), n_kinds)
        it_takes, had = _steps(credited, windows[kinds])
        seen, part = it_takes <= had, type(self).zero(n_kinds)
        for sums, steps in ((part.came, it_takes), (part.watched, had)):
            np.add.at(sums, (kinds[seen], steps[seen]), np.abs(credited.amounts[seen]))
        return self.merge(part)

    def delays(self, windows: Ints) -> Delays:
        """What these sums say of the delays of the kinds with these windows (K,), in microseconds."""
        _require_windows(windows, len(self.came))
        # At each step: the credit up to it of impressions that have had it. What came in it is a part of
        # that, whatever the rounding of the sums.
        at_risk = np.cumsum(self.came, axis=1)
        at_risk[:, 1:] -= np.cumsum(self.watched, axis=1)[:, :-1]
        at_risk = np.maximum(at_risk, self.came)
        hazard = np.divide(self.came, at_risk, out=np.zeros_like(self.came), where=self.came > 0)
        not_later = np.cumprod((1 - hazard)[:, :0:-1], axis=1)[:, ::-1]
        seen = np.ones_like(self.came)
        seen[:, :-1] = np.where(self.watched[:, -1:] > 0, not_later, np.nan)
        return Delays(windows, seen)


@dataclass(frozen=True, eq=False)
class Delays(ArrayRecord):
    """seen (K, STEPS + 1): of each kind, the share of credit that comes within so many steps of its window
    (K,), in microseconds. At the last step it is 1; before it NaN, where no impression that has had its whole
    window has earned anything: nobody knows then how late a kind comes."""

    windows: Ints
    seen: Floats

    def least_age(self, min_seen: float) -> int:
        """From this age on, in microseconds, an impression has had at least this share of each kind's credit;
        of a kind whose delays nobody knows it needs the whole window. 0 without kinds. Raises
        InvalidInputError for a share outside (0, 1]."""
        if not 0 < min_seen <= 1:
            raise InvalidInputError(f"min_seen must be a share in (0, 1], got {min_seen}")
        steps = np.argmax(self.seen >= min_seen, axis=1)  # the last one always is
        return int((-(-steps * self.windows // STEPS)).max(initial=0))

    def stands_for(self, credited: Credited) -> Floats:
        """(m,) what each credit stands for: credit / G of its impression's age, and 0 in the step that the
        impression is in. Raises InvalidInputError for credits of impressions too young for anyone to know."""
        kinds = indices("kinds", credited.kinds, np.shape(credited.kinds), len(self.windows))
        it_takes, had = _steps(credited, self.windows[kinds])
        seen, share = it_takes <= had, self.seen[kinds, had]
        unknown = int(np.count_nonzero(seen & ~(share > 0)))
        if unknown:
            raise InvalidInputError(
                f"{unknown} credits are of impressions whose share of credit by now is not known: take those "
                "that are at least `least_age` old"
            )
        return np.divide(credited.amounts, share, out=np.zeros(len(kinds)), where=seen)

    def medians(self) -> Floats:
        """(K,) how long it takes to see half of the credit, in microseconds; NaN where nobody knows."""
        steps = np.argmax(self.seen >= 0.5, axis=1)
        return np.where(np.isnan(self.seen[:, 0]), np.nan, steps * (self.windows / STEPS))


def _steps(credited: Credited, windows: Ints) -> tuple[Ints, Ints]:
    """(m,) how many steps of its window it takes to see each credit, and how many its impression has had."""
    lags, ages = np.clip(credited.lags, 0, windows), np.minimum(credited.ages, windows)
    return -(-lags * STEPS // windows), ages * STEPS // windows


def _require_windows(windows: Ints, n_kinds: int) -> None:
    if windows.shape != (n_kinds,) or windows.dtype.kind not in "iu" or (windows <= 0).any():
        raise InvalidInputError(f"windows must be {n_kinds} numbers of microseconds > 0, got {windows!r}")

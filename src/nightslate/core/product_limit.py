"""Delays that are seen only if they are short enough: what share of credit comes within which.

Of the credit of impressions old enough for a lag to be seen, the share of what came up to this lag that came
just at it is the reversed hazard of the delay, and the share that comes within a lag the product of its
complements over all longer ones: the product-limit estimate of right-truncated times (Lynden-Bell, 1971;
Lagakos, Barraj and De Gruttola, 1988), which is Kaplan and Meier's with time running backwards, with credit
for counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats


@dataclass(frozen=True, eq=False)
class Truncated:
    """Amounts of credits by step, (..., steps): `came`, by the steps that it takes to see them; `watched`, by
    the steps that their impressions have had."""

    came: Floats
    watched: Floats

    @property
    def pooled(self) -> Truncated:
        """(steps,) those of all groups."""
        return Truncated(self.came.sum(axis=0), self.watched.sum(axis=0))

    @property
    def at_risk(self) -> Floats:
        """(..., steps) at each step: the credit up to it of impressions that have had it. What came in it is
        a part of that, whatever the rounding of the sums."""
        up_to = np.cumsum(self.came, axis=-1)
        up_to[..., 1:] -= np.cumsum(self.watched, axis=-1)[..., :-1]
        return np.maximum(up_to, self.came)

    @property
    def hazard(self) -> Floats:
        """(..., steps) of the credit up to a step, the share that came just in it."""
        return np.divide(self.came, self.at_risk, out=np.zeros_like(self.came), where=self.came > 0)

    @property
    def within(self) -> Floats:
        """(..., steps) the share of credit that comes within so many steps. At the last it is 1; before it
        NaN, where no impression that has had them all has earned anything."""
        known = np.ones(self.came.shape, dtype=np.bool_)
        known[..., :-1] = self.watched[..., -1:] > 0
        return np.where(known, share_within(self.hazard), np.nan)


def share_within(hazard: Floats) -> Floats:
    """(..., steps) the product of the complements of the hazards of all longer delays."""
    share = np.ones_like(hazard)
    share[..., :-1] = np.cumprod((1 - hazard)[..., :0:-1], axis=-1)[..., ::-1]
    return share


def shrunk(groups: Truncated, unit: Floats, k: float) -> Floats:
    """(groups, steps) the share of each group's credit within so many steps, had it k credits more, each of
    the size `unit` (groups,) > 0, whose delays are those of all groups.

    Its hazards are those of all and r / (r + prior) of what its own differ from them, where r is its credit
    at risk and `prior` what of the k would be: the posterior mean under a Dirichlet process of concentration
    k (Susarla and Van Ryzin, 1976; Hjort, 1990). A group without credit has exactly the shares of all; one
    with n credits that were all watched to the end, n parts of its own and k of theirs."""
    of_all = groups.pooled
    common, at_risk = of_all.hazard, groups.at_risk
    prior = k * unit[:, None] * share_within(common)
    weight = np.divide(at_risk, at_risk + prior, out=np.zeros_like(at_risk), where=at_risk > 0)
    mine = share_within(np.clip(common + weight * (groups.hazard - common), 0.0, 1.0))
    return np.where(np.isnan(of_all.within), np.nan, mine)

"""A world whose rewards come late: arms that earn at known rates, and a log of four weeks at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.maturity import Credited, DelaySums

DAY = 24 * 3600 * 10**6
DAYS = 28
WINDOWS = np.array([2, 14]) * DAY
WORTH = np.array([0.2, 1.0])
RATES = np.array([[0.5, 0.3, 0.2], [0.02, 0.10, 0.25]])
"""How many outcomes an impression of each arm has, by kind: clicks and tasks."""

VALUES = WORTH @ RATES
"""What an impression of each arm earns in the end."""

LOGGING = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
"""Probabilities of the arms on the first day and on the last; between them they change evenly."""

WAYS = ("immature as zero", "exclude", "ipcw by kind", "ipcw")
"""`ipcw by kind`: as if the arm of a credit was not known."""


@dataclass(frozen=True, eq=False)
class Known:
    """Some impressions as they are known: arms, what the logging policy's probabilities of all arms were, and
    rewards."""

    arm: Ints
    logging: Floats
    reward: Floats

    def only(self, rows: Bools) -> Known:
        return Known(*(getattr(self, field.name)[rows] for field in fields(self)))


def logs(
    daily: int,
    mean_delay_days: float | Sequence[float],
    seed: int,
    min_seen: float = 0.2,
    rates: Floats = RATES,
    logging_policy: Floats = LOGGING,
) -> Mapping[str, Known]:
    """One log, in each way of dealing with impressions whose window is not over.

    Tasks come after an exponential time, of a mean by arm, within their window; clicks come 24 times as fast.
    `rates` (2, arms) and `logging_policy` (2, arms) as RATES and LOGGING, which shows the best arm more often
    from day to day."""
    dice = np.random.default_rng(seed)
    n = daily * DAYS
    ages = dice.integers(0, DAYS * DAY, n)
    late = 1 - ages[:, None] / (DAYS * DAY)
    logging = (1 - late) * logging_policy[0] + late * logging_policy[1]
    arm = (dice.random((n, 1)) > np.cumsum(logging, axis=1)[:, :-1]).sum(axis=1)
    counts = dice.poisson(rates[:, arm])
    of = np.concatenate([np.repeat(np.arange(n), row) for row in counts])
    kinds = np.repeat([0, 1], counts.sum(axis=1))
    by_arm = np.broadcast_to(mean_delay_days, len(rates[0]))
    scale = by_arm[arm[of]] * DAY * np.array([1 / 24, 1.0])[kinds]
    within = -np.expm1(-WINDOWS[kinds] / scale)
    lags = (-scale * np.log1p(-dice.random(len(of)) * within)).astype(np.int64)
    known = lags <= ages[of]
    of, columns = of[known], (kinds[known], WORTH[kinds[known]], lags[known], ages[of[known]])

    def summed(amounts: Floats, rows: Bools) -> Known:
        return Known(arm, logging, np.bincount(of, amounts, minlength=n).astype(float)).only(rows)

    def weighted(arms: Ints) -> Known:
        kind, *rest = columns
        credited = Credited(kind, arms, *rest)
        delays = DelaySums.zero(2, len(by_arm)).update(WINDOWS, credited, of).delays(WINDOWS)
        counts_now = ages >= delays.least_age(min_seen)
        worth, there = np.zeros(len(of)), counts_now[of]
        worth[there] = delays.stands_for(
            Credited(kind[there], arms[there], *(column[there] for column in rest))
        )
        return summed(worth, counts_now)

    return dict(
        zip(
            WAYS,
            (
                summed(columns[1], np.ones(n, dtype=np.bool_)),
                summed(columns[1], ages >= WINDOWS.max()),
                weighted(np.zeros_like(of)),
                weighted(arm[of]),
            ),
            strict=True,
        )
    )

"""How often the intervals of uplifts at 95 % hold the truth, over 1,000 simulated logs of users whose
decisions depend on one another. The Monte Carlo error of a coverage of 95 % is 0.7 points."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.unit.core.uplift import worlds

from nightslate.core.arrays import Bools
from nightslate.core.uplift import Grid, RankedSums, cost_curve, figures_by_gain, per_cost
from nightslate.core.uplift.ranked import Ranked

pytestmark = pytest.mark.timeout(7200)

LOGS, CONFIDENCE = 1000, 0.95
AIM = (0.93, 0.97)
ERROR = 3 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / LOGS)
USERS = (100, 1000)
SPENT = np.arange(1, 21) / 20


def test_coverage_of_uplifts(pool: ProcessPoolExecutor) -> None:
    table = Table(title=f"coverage at {CONFIDENCE:.0%}, {LOGS} logs", box=None, pad_edge=False)
    for column in ("users", "mean", "autoc", "qini", "deciles", "cost curve"):
        table.add_column(column, justify="right")
    too_low = []
    truth = np.array([0.5, worlds.AUTOC, worlds.QINI, *worlds.decile_effects(), *worlds.gain_at(SPENT)])
    for users in USERS:
        held = np.mean(list(pool.map(partial(holds, users, truth), range(LOGS), chunksize=20)), axis=0)
        spans = [held[13 * part : 13 + 20 * part] for part in (0, 1)]
        ends = [f"{each.min():.1%} to {each.max():.1%}" for each in (spans[0][3:], spans[1])]
        table.add_row(f"{users:,}", *(f"{each:.1%}" for each in held[:3]), *ends)
        too_low += [(users, place) for place in np.flatnonzero(held < AIM[0] - ERROR)]
    Console(width=120).print(table)
    assert not too_low


def holds(users: int, truth: np.ndarray, log: int) -> Bools:
    """Whether each interval of one log holds the truth; ranks are those of a grid, as nights have them."""
    drawn = worlds.drawn(users, np.random.default_rng([11, users, log]))
    free, by_cost = np.zeros_like(drawn.cost), per_cost(drawn.gain, drawn.cost)
    found = [
        *figures_by_gain(ranked(drawn, drawn.gain, free), CONFIDENCE),
        *cost_curve(ranked(drawn, by_cost, drawn.cost), CONFIDENCE),
    ]
    return np.array([f.lower <= each <= f.upper for f, each in zip(found, truth, strict=True)])


def ranked(drawn: worlds.Drawn, priority: np.ndarray, cost: np.ndarray) -> Ranked:
    grid = Grid.of_quantiles(priority)
    state = RankedSums.initial(grid)
    return state.update(grid, priority, drawn.effect, cost, drawn.users, 3).ranked

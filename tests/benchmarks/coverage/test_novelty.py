"""Whether effects last, over simulated experiments: how often a change is told where there is none, by
nightly looks stopped at the worst moment and by one look, and how soon an effect that fades is found to.

Users are alike in habits on all of their days, some doing far more than others, and all do less as time goes
on. The Monte Carlo error of a rate of 5 % in 2,000 experiments is 0.5 points."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from nightslate.core.experiments import Moments
from nightslate.core.experiments.effect import change

pytestmark = pytest.mark.timeout(7200)

EXPERIMENTS, FEWER, ALPHA, BATCHES = 2_000, 400, 0.05, 20
ERROR = 3 * math.sqrt(ALPHA * (1 - ALPHA) / EXPERIMENTS)
NIGHTS, A_NIGHT = 60, 100
FIRST, LATER = 4, 10
GAIN = 0.1
"""Of clicks a day, or a tile, in the first days, where the control has 0.5 at first and 0.3 later."""


def test_changes_of_effects(pool: ProcessPoolExecutor) -> None:
    """GAIN in the first days; later all of it, or half, or nothing."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(
        (
            "metric",
            "share",
            "of the gain is left",
            "told at every look",
            "half of these by",
            "one look",
            "ditto, nightly",
        )
    ):
        table.add_column(column, justify="right" if place else "left")
    false = []
    for metric in ("clicks a day", "clicks per tile"):
        for share in (0.5, 0.1):
            for left in (1.0, 0.5, 0.0):
                found = np.concatenate(list(pool.map(partial(looks, metric, share, left), range(BATCHES))))
                told, once = found[:, 0] > 0, found[:, 1].mean()
                nights = f"{np.median(found[told, 0]):.0f} nights" if told.any() else ""
                table.add_row(
                    metric, f"{share}", f"{left:.0%}", f"{told.mean():.1%}", nights, f"{once:.1%}",
                    f"{found[:, 2].mean():.1%}",
                )  # fmt: skip
                if left == 1.0:
                    false.append((told.mean(), once))
                elif share == 0.5 and not left:
                    assert told.mean() > 0.9
    title = (
        f"{EXPERIMENTS:,} experiments without a change, {FEWER} with one, of {NIGHTS} nights of {A_NIGHT}"
        f" users, {ALPHA:.0%}"
    )
    Console(width=120).print(f"\n{title}", table, highlight=False)
    for at_every_look, once in false:
        assert at_every_look <= ALPHA + ERROR
        assert abs(once - ALPHA) <= ERROR + 0.01


def looks(metric: str, share: float, left: float, batch: int) -> np.ndarray:
    """(e, 3) the first night on which an experiment tells a change at every look, 0 for none; whether one
    look on the last night does, and whether one on any night does."""
    experiments = (EXPERIMENTS if left == 1.0 else FEWER) // BATCHES
    rng = np.random.default_rng([21, len(metric), int(10 * share), int(10 * left), batch])
    state = Moments.initial((experiments, 2), 4)
    found = np.zeros((experiments, 3))
    for night in range(1, NIGHTS + 1):
        variant = (rng.random((experiments, A_NIGHT)) < share).astype(np.int64)
        zeal = rng.gamma(1.0, 1.0, variant.shape)
        columns = []
        for days, base, gain in ((LATER, 0.3, left * GAIN), (FIRST, 0.5, GAIN)):
            below = (
                rng.poisson(days * (0.2 + zeal)) if metric == "clicks per tile" else np.full(zeal.shape, days)
            )
            rate = base + gain * variant
            columns += [rng.poisson(below * rate * rng.gamma(2.0, 0.5, zeal.shape)), below]
        cell = 2 * np.arange(experiments)[:, None] + variant
        state = state.update(cell.ravel(), np.stack(columns, axis=-1).reshape(-1, 4).astype(np.float64))
        for place in range(experiments):
            told = change(state.cell(place, 0), state.cell(place, 1), 1 - ALPHA).difference
            if told.anytime_upper is not None and not found[place, 0]:
                found[place, 0] = 0.0 if told.anytime_lower <= 0 <= told.anytime_upper else night
            if told.lower is not None:
                found[place, 1] = not told.lower <= 0 <= told.upper
                found[place, 2] = found[place, 2] or found[place, 1]
    return found

"""How often intervals at 95 % hold the truth, over 1,000 simulated logs of worlds in which it is known.

Prints the measured coverage and mean width of every interval; what falls outside its aim is marked. The Monte
Carlo error of a coverage of 95 % is 0.7 points."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.coverage.simulated import (
    CONFIDENCE,
    ESTIMATORS,
    GUARANTEED,
    LOOKS,
    SEQUENCES,
    TARGETS,
    UNTUNED,
    WORLDS,
    intervals_of_a_log,
    misses_of_a_growing_log,
)

from nightslate.core.arrays import Floats
from nightslate.core.ope.intervals import INTERVALS, Interval

pytestmark = pytest.mark.timeout(7200)

LOGS = 1000
AIM = (0.93, 0.97)
ERROR = 3 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / LOGS)


def test_coverage_of_every_interval(pool: ProcessPoolExecutor) -> None:
    table = Table(title=f"coverage at {CONFIDENCE:.0%} (mean width), {LOGS} logs", box=None, pad_edge=False)
    for column in ("world", "of", "estimator"):
        table.add_column(column)
    columns = [*INTERVALS.items(), *((f"{name}, own terms", INTERVALS[name]) for name in GUARANTEED)]
    for name, interval in columns:
        table.add_column(f"{name}{' *' if interval.guaranteed else ''}", justify="right")
    too_low = []
    for world, (made, _) in WORLDS.items():
        bounds = of_all_logs(pool, partial(intervals_of_a_log, world))
        for t, target in enumerate(TARGETS):
            truth = target.truth(made())
            for e, estimator in enumerate(ESTIMATORS):
                lower, upper = np.moveaxis(bounds[:, t, e], -1, 0)
                covered = ((lower <= truth) & (truth <= upper)).mean(axis=0)
                widths = (upper - lower).mean(axis=0)
                table.add_row(
                    world,
                    target.name,
                    estimator,
                    *(
                        cell(interval, share, width)
                        for (_, interval), share, width in zip(columns, covered, widths, strict=True)
                    ),
                )
                too_low += [
                    (world, target.name, estimator, name)
                    for (name, interval), share in zip(columns, covered, strict=True)
                    if interval.guaranteed and estimator in UNTUNED and share < CONFIDENCE - ERROR
                ]
    console = Console(width=200)
    console.print()
    console.print(table)
    console.print(
        f"* guaranteed, aim at least {CONFIDENCE:.0%}; the others {AIM[0]:.0%} to {AIM[1]:.0%}; ! is outside."
        "\ndros is tuned for a small error, so its interval reaches over that of dr."
        "\nown terms: what the interval would be if it did not know that weights are 1 on average.",
        highlight=False,
    )
    assert not too_low


def test_how_often_a_growing_log_is_ever_wrong(pool: ProcessPoolExecutor) -> None:
    table = Table(
        title=f"% of {LOGS} growing logs that miss at any of {len(LOOKS)} looks",
        box=None,
        pad_edge=False,
    )
    for column in ("world", "of", "estimator"):
        table.add_column(column)
    for name in SEQUENCES:
        table.add_column(name, justify="right")
    for world in WORLDS:
        missed = of_all_logs(pool, partial(misses_of_a_growing_log, world)).mean(axis=0)
        for t, target in enumerate(TARGETS):
            for e, estimator in enumerate(UNTUNED):
                table.add_row(
                    world, target.name, estimator, *(f"{100 * share:.1f}" for share in missed[t, e])
                )
        assert (missed[:, :, SEQUENCES.index("anytime")] <= 1 - CONFIDENCE + ERROR).all()
    console = Console(width=160)
    console.print()
    console.print(table)


def of_all_logs(pool: ProcessPoolExecutor, measure: Callable[[int], Floats]) -> Floats:
    """(LOGS, ...) what is measured of each."""
    return np.array(list(pool.map(measure, range(1, LOGS + 1), chunksize=20)))


def cell(interval: Interval, covered: float, width: float) -> str:
    low, high = (CONFIDENCE, 1.0) if interval.guaranteed else AIM
    if math.isnan(width):
        return ""
    mark = "" if low <= covered <= high else "!"
    return f"{mark}{100 * covered:.1f} ({width:.3g})"

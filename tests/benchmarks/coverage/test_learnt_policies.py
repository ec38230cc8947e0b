"""How often intervals at 95 % hold the truth of policies that learnt from the very logs, over 1,000 small
worlds in which it is known: of tonight's policies, cross-fitted, and of those of before each day,
progressively.

Prints, for each policy and each difference of two, the measured coverage by the delta method and by the
bootstrap, the bias in standard deviations of the estimate, and how many times as wide as cross-fitted ones
intervals are. The Monte Carlo error of a coverage of 95 % is 0.7 points, that of a bias .03."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.coverage.learning import (
    CONFIDENCE,
    ESTIMATORS,
    INTERVALS,
    LOGGED_BY,
    TARGETS,
    figures_of_a_world,
)

from nightslate.core.arrays import Bools, Floats
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS, PROGRESSIVE

pytestmark = pytest.mark.timeout(7200)

WORLDS = 1000
AIM = (0.93, 0.97)
LEADING = ("dr", "snips")
"""Of the estimators those that a page leads with."""


class Found(NamedTuple):
    """Of one estimand, for all worlds: what is said of a target by an estimator, (worlds, intervals) each."""

    value: Floats
    lower: Floats
    upper: Floats
    truth: Floats

    @property
    def held(self) -> Bools:
        """(worlds, intervals)"""
        return (self.lower <= self.truth) & (self.truth <= self.upper)

    @property
    def width(self) -> float:
        """Of the first interval, on average."""
        return float((self.upper - self.lower)[:, 0].mean())

    @property
    def error(self) -> Floats:
        """(worlds,)"""
        return (self.value - self.truth)[:, 0]


@pytest.mark.parametrize("logged_by", LOGGED_BY)
def test_coverage_of_policies_that_learn(logged_by: str, pool: ProcessPoolExecutor) -> None:
    table = Table(
        title=f"coverage at {CONFIDENCE:.0%} ({', '.join(INTERVALS)}), bias / sd, x width;"
        f" {WORLDS} worlds, logged by {logged_by}",
        box=None,
        pad_edge=False,
    )
    table.add_column("of")
    table.add_column("estimand")
    for name in ESTIMATORS:
        table.add_column(name, justify="right")
    seeds = range(1, WORLDS + 1)
    measured = np.array(list(pool.map(partial(figures_of_a_world, logged_by), seeds, chunksize=10)))
    outside = []
    for t, target in enumerate(TARGETS):
        found = {
            (estimand, name): Found(*np.moveaxis(measured[:, e, t, k], -1, 0))
            for e, estimand in enumerate(ESTIMANDS)
            for k, name in enumerate(ESTIMATORS)
        }
        for estimand in reversed(ESTIMANDS):
            own = [found[estimand, name] for name in ESTIMATORS]
            widths = [found[CROSS_FITTED, name].width for name in ESTIMATORS]
            table.add_row(in_words(target), estimand, *map(cell, own, widths))
        outside += [
            (target, name, interval, share)
            for name in LEADING
            for interval, share in zip(INTERVALS, found[PROGRESSIVE, name].held.mean(axis=0), strict=True)
            if not AIM[0] <= share <= AIM[1]
        ]
    console = Console(width=160)
    console.print()
    console.print(table)
    console.print(
        f"Progressive ones aim at {AIM[0]:.0%} to {AIM[1]:.0%} by {' and '.join(LEADING)}; ! is outside.",
        highlight=False,
    )
    assert not outside


def in_words(target: tuple[str, str | None]) -> str:
    one, other = target
    return one if other is None else f"{one} - {other}"


def cell(found: Found, width: float) -> str:
    shares = " ".join(f"{'' if AIM[0] <= s <= AIM[1] else '!'}{100 * s:.1f}" for s in found.held.mean(axis=0))
    return f"{shares} {found.error.mean() / found.error.std():+.2f} x{found.width / width:.2f}"

"""Shares by context and sticky draws for 10M users and three treatments, beside bare numpy that draws a
categorical from the same scores, and how time grows from 100k users on.

Prints times, ratios and memory; says nothing about how fast is fast enough: that depends on the machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.benchmarks.processes import alone

from nightslate.core.allocation import (
    Limits,
    contextual_shares,
    daily_draws,
    drawn,
    first_draws,
    sticky_probabilities,
    within_step,
)
from nightslate.core.arrays import AnyArray, Floats
from nightslate.core.hashing import mix

SIZES, RUNS = (100_000, 1_000_000, 10_000_000), 3
LIMITS = Limits(
    np.array([0.4, 0.2, 0.2, 0.2]), control=0, range=0.15, risk_tolerance=0.0, scale=0.2, floor=0.02
)
STEPS = {
    "first night": ("shares", "first draws", "variants at first"),
    "each later night": ("shares", "step", "transitions", "draws of the day", "variants"),
}


def test_shares_and_draws(tmp_path: Path) -> None:
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console, table = Console(width=110), Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", *(f"{users:,} users" for users in SIZES), "x floor (aim 2)"):
        table.add_column(column, justify="right" if column else "left")
    measured, peaks = [], []
    for users in SIZES:
        out = tmp_path / f"{users}.json"
        _, peak = alone(partial(measure, users, out))
        measured.append(json.loads(out.read_text()))
        peaks.append(f"{peak / 2**30:.2f} GB")
    floor = measured[-1]["floor"]
    for name in measured[-1]:
        taken = [each[name] for each in measured]
        table.add_row(name, *(f"{seconds:.3f} s" for seconds in taken), f"{taken[-1] / floor:.2f}")
    for night, steps in STEPS.items():
        taken = [sum(each[step] for step in steps) for each in measured]
        ratio = f"{taken[-1] / floor:.2f}"
        table.add_row(night, *(f"{seconds:.3f} s" for seconds in taken), ratio, style="bold")
    table.add_row("memory at most (aim 4 GB)", *peaks, "")
    console.print(
        f"\n{len(LIMITS.baseline)} variants; {cores} cores, load {load:.1f}", table, highlight=False
    )


def measure(users: int, out: Path) -> None:
    """Seconds of each step, the best of some runs."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(users, len(LIMITS.baseline)))
    keys = mix(np.arange(users, dtype=np.uint64), 0)
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], AnyArray]) -> AnyArray:
        for _ in range(RUNS):
            began = time.perf_counter()
            result = work()
            taken[name] = min(taken.get(name, np.inf), time.perf_counter() - began)
        return result

    timed("floor", partial(categorical, scores, generator))
    timed("floor, column by column", partial(categorical_by_columns, scores, generator))
    before = timed("shares", partial(contextual_shares, LIMITS, scores))
    uniforms = timed("first draws", partial(first_draws, "salt", keys))
    variant = timed("variants at first", partial(drawn, before, uniforms))
    scores += generator.normal(0, 0.3, scores.shape)
    wanted = contextual_shares(LIMITS, scores)
    del scores, uniforms
    now = timed("step", partial(within_step, before, wanted, 0.1))
    del wanted
    probabilities = timed("transitions", partial(sticky_probabilities, before, now, variant))
    uniforms = timed("draws of the day", partial(daily_draws, "salt", keys, date(2026, 3, 1)))
    tonight = timed("variants", partial(drawn, probabilities, uniforms))
    assert 0 < (tonight != variant).mean() < 0.2
    out.write_text(json.dumps(taken))


def categorical(scores: Floats, generator: np.random.Generator) -> Floats:
    """(n,) one of k by softmax of scores (n, k), as one writes it."""
    weights = np.exp(scores).cumsum(axis=1)
    return (generator.random((len(scores), 1)) * weights[:, -1:] > weights).sum(axis=1)


def categorical_by_columns(scores: Floats, generator: np.random.Generator) -> Floats:
    """(n,) the same, as who knows numpy well writes it."""
    weights = np.exp(scores)
    so_far = [weights[:, 0]]
    for column in weights.T[1:]:
        so_far.append(so_far[-1] + column)
    draws = generator.random(len(scores)) * so_far[-1]
    return np.sum([draws > each for each in so_far[:-1]], axis=0)

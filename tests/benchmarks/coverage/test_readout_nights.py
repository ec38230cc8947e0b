"""Nights that read out an experiment in which the variant does nothing, stopped at the worst of all looks.

Prints over simulated worlds in how many a metric's interval ever excluded 0: that for every look, and that
for one look, which promises nothing of the kind; and in how many the sample ratio of exposed users ever
raised an alarm, where nobody is missing."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from rich.table import Table

from nightslate.core.arrays import Ints
from nightslate.core.experiments import effect
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.readouts import SAMPLE_RATIOS, Figure, Readout
from nightslate.pipeline.readout_health import ALPHA, by_segment
from nightslate.programs.readouts import Metric

pytestmark = pytest.mark.timeout(7200)

WORLDS, NIGHTS, USERS_A_DAY = 200, 40, 80
LOOKS = range(3, NIGHTS, 2)
CONFIDENCE = 0.95
START = date(2026, 3, 1)
MICROSECONDS_A_DAY = 86_400_000_000
VARIANTS, SHARES = ("new", "old"), (0.5, 0.5)
CLICK = {"source": "outcomes", "where": {"kind": "click"}}
METRICS = {
    "mean, 3 days": {**CLICK, "window": "3d"},
    "ratio, 3 days": {**CLICK, "kind": "ratio", "per": {"source": "impressions"}, "window": "3d"},
    "share, 3 days": {**CLICK, "kind": "share", "window": "3d"},
    "mean, so far": CLICK,
}
INSTANT = pa.timestamp("us", "UTC")


def logs(seed: int) -> dict[str, pa.Table]:
    """Users who come on some day, of one of two variants that are the same; some visit often, and some of
    these click often."""
    dice = np.random.default_rng(seed)
    begins = np.repeat(np.arange(NIGHTS), USERS_A_DAY)
    variant, zeal = dice.integers(0, 2, begins.size), dice.lognormal(-1.0, 1.0, begins.size)
    ids = pa.array([f"u{number}" for number in range(begins.size)])
    visits = dice.poisson(0.6 * (NIGHTS - begins) ** 0.5)
    shown_to = np.repeat(np.arange(begins.size), visits)
    shown_at = moments(dice, begins[shown_to])
    clicks = dice.poisson(np.minimum(zeal, 8.0)[shown_to])
    clicked = np.repeat(np.arange(shown_to.size), clicks)
    clicked_at = shown_at[clicked] + dice.integers(1, 2 * MICROSECONDS_A_DAY, clicked.size)
    day = int((datetime.combine(START, datetime.min.time(), UTC)).timestamp()) // 86_400
    names = pa.array(VARIANTS)
    return {
        "assignments": pa.table(
            {
                "user_id": ids,
                "experiment": pa.repeat("spring", len(ids)),
                "variant": names.take(pa.array(variant)),
                "slate_date": pa.array((day + begins).astype(np.int32)).cast(pa.date32()),
            }
        ),
        "impressions": pa.table(
            {
                "impression_id": pa.array([f"i{number:06d}" for number in range(shown_to.size)]),
                "user_id": ids.take(pa.array(shown_to)),
                "occurred_at": pa.array(day * MICROSECONDS_A_DAY + shown_at).cast(INSTANT),
                "variant": names.take(pa.array(variant[shown_to])),
                "arm_id": pa.repeat("a", shown_to.size),
            }
        ),
        "outcomes": pa.table(
            {
                "user_id": ids.take(pa.array(shown_to[clicked])),
                "occurred_at": pa.array(day * MICROSECONDS_A_DAY + clicked_at).cast(INSTANT),
                "kind": pa.repeat("click", clicked.size),
            }
        ),
    }


def moments(dice: np.random.Generator, begins: Ints) -> Ints:
    """After the day on which each begins, and before the last night, in microseconds of the experiment."""
    share = dice.uniform(0, 1, begins.size) ** 2  # most visits are early
    return ((begins + share * (NIGHTS - begins)) * MICROSECONDS_A_DAY).astype(np.int64)


def alarms(seed: int) -> dict[str, bool]:
    """Which of all intervals of a world excluded 0 on any night."""
    whole = logs(seed)
    shares = {START + timedelta(days=number): SHARES for number in range(NIGHTS)}
    found = dict[str, bool]()
    for number in LOOKS:
        ds = START + timedelta(days=number)
        until = pa.scalar(datetime.combine(ds + timedelta(days=1), datetime.min.time(), UTC), INSTANT)
        so_far = {
            name: rows.filter(
                pa.compute.less_equal(rows["slate_date"], pa.scalar(ds))
                if name == "assignments"
                else pa.compute.less(rows["occurred_at"], until)
            )
            for name, rows in whole.items()
        }
        metrics = {name: Metric.model_validate(said) for name, said in METRICS.items()}
        arms = pa.table({"arm_id": ["a"]})
        readout = Readout(Allocated("spring", VARIANTS, shares), ds, metrics, {}, (), arms, {}, {})
        states = dict(readout.update(so_far))
        for name in METRICS:
            cells = states[Figure(name, "exposed", "cumulative")].states
            new, old = (cells.get((variant, None, None)) for variant in VARIANTS)
            if new is None or old is None:
                continue
            told = effect(old, new, CONFIDENCE).difference
            for how, lower, upper in (
                ("every look", told.anytime_lower, told.anytime_upper),
                ("one look", told.lower, told.upper),
            ):
                excludes = lower is not None and upper is not None and not lower <= 0 <= upper
                found[f"{name}: {how}"] = found.get(f"{name}: {how}", False) or excludes
        ratio = by_segment(states[SAMPLE_RATIOS])
        found["sample ratio"] = bool(ratio) and ratio[0].most >= math.log(1 / ALPHA)
    return found


def test_a_variant_that_does_nothing_is_rarely_told_to_do_something(pool: ProcessPoolExecutor) -> None:
    worlds = list(pool.map(alarms, range(WORLDS), chunksize=10))
    table = Table(
        title=f"worlds with a false alarm at any of {len(LOOKS)} looks in {NIGHTS} nights, of {WORLDS}, at"
        f" {CONFIDENCE:.0%}",
        box=None,
        pad_edge=False,
    )
    for column in ("interval", "worlds in %"):
        table.add_column(column, justify="right")
    share = {name: float(np.mean([world[name] for world in worlds])) for name in worlds[0]}
    for name, rate in share.items():
        table.add_row(name, f"{100 * rate:.1f}")
    console = Console(width=120)
    console.print()
    console.print(table)
    for name, rate in share.items():
        if name.endswith("every look"):
            alpha = 1 - CONFIDENCE
            assert rate <= alpha + 3 * (alpha * (1 - alpha) / WORLDS) ** 0.5, name
        elif name.endswith("one look"):
            assert rate > 2 * (1 - CONFIDENCE), name
    assert share["sample ratio"] <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / WORLDS) ** 0.5

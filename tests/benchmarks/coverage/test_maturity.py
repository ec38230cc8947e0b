"""Rewards that come late, dealt with in four ways: young impressions as they are, left out, weighted by the
delays of their kind, and weighted by those of their arm too.

Prints over simulated logs of four weeks the bias of the mean reward of the best arm and of a policy's value,
in % of the truth and with its standard error; how often intervals at 95 % hold the truth; and after an x how
many times as many impressions, of those whose window is over, would give the same variance. Then of two arms
that are worth the same, one of which earns later, the bias of each and how often its interval holds the
truth."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.unit.core.delayed import DAYS, VALUES, WAYS, Known, logs

from nightslate.core.arrays import Floats
from nightslate.core.hashing import mix
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.results import Results
from nightslate.core.ope.sample import Sample

pytestmark = pytest.mark.timeout(7200)

CONFIDENCE = 0.95
LOGS, DAILY = 300, 150
MEAN_DELAYS = (0.5, 2.0, 6.0)
WORTH_BOTH = 0.2
POLICY = np.array([0.1, 0.2, 0.7])
MODEL = np.array([0.15, 0.15, 0.2])
"""The reward that a wrong model expects of each arm."""

BEST = int(VALUES.argmax())
FIGURES = {
    "mean of the best arm": VALUES[BEST],
    "policy, ips": POLICY @ VALUES,
    "policy, dr": POLICY @ VALUES,
}
"""What is estimated, and what it is in truth."""


def test_young_impressions_bias_unless_left_out_or_weighted() -> None:
    table = Table(
        title=f"bias in % (standard error), coverage at {CONFIDENCE:.0%}, x data; {LOGS} logs",
        box=None,
        pad_edge=False,
    )
    for column in ("mean delay", "young impressions", "impressions"):
        table.add_column(column, justify="left" if column == "young impressions" else "right")
    for name in FIGURES:
        table.add_column(name, justify="right")
    truth = np.array(list(FIGURES.values()))
    z = {}
    for days in MEAN_DELAYS:
        found = [logs(DAILY, days, seed) for seed in range(LOGS)]
        estimated = {way: np.array([figures(log[way]) for log in found]) for way in WAYS}
        variance = {way: bounds[:, :, 0].var(axis=0) for way, bounds in estimated.items()}
        for way, bounds in estimated.items():
            value, lower, upper = np.moveaxis(bounds, -1, 0)
            bias, stderr = value.mean(axis=0) - truth, value.std(axis=0) / LOGS**0.5
            covered = ((lower <= truth) & (truth <= upper)).mean(axis=0)
            data = variance["exclude"] / variance[way]
            z[days, way] = bias / stderr
            table.add_row(
                f"{days:g} days",
                way,
                f"{np.mean([len(log[way].arm) for log in found]):.0f}",
                *(
                    f"{100 * b:+.2f} ({100 * s:.2f}) {c:4.0%} x{d:.2f}"
                    for b, s, c, d in zip(bias / truth, stderr / truth, covered, data, strict=True)
                ),
            )
    console = Console(width=160)
    console.print()
    console.print(table)
    for days in MEAN_DELAYS:
        assert (z[days, WAYS[0]] < -4).all()
        assert all((np.abs(z[days, way]) < 4).all() for way in WAYS[1:])


def test_an_arm_that_earns_later_looks_worse_unless_weighted_by_its_own_delays() -> None:
    table = Table(
        title="two arms worth the same, rewards after 2 days and after 6 on average: bias in % (standard"
        f" error), coverage at {CONFIDENCE:.0%}; {LOGS} logs",
        box=None,
        pad_edge=False,
    )
    for column in ("impressions a log", "young impressions", "rewards after 2 days", "after 6 days"):
        table.add_column(column, justify="left" if column == "young impressions" else "right")
    rates, evenly = np.array([[0.0, 0.0], [WORTH_BOTH, WORTH_BOTH]]), np.full((2, 2), 0.5)
    z = {}
    for daily in (30, DAILY, 1000):
        found = [logs(daily, (2.0, 6.0), seed, rates=rates, logging_policy=evenly) for seed in range(LOGS)]
        for way in WAYS:
            means = np.array([[mean_of(log[way], arm) for arm in (0, 1)] for log in found])
            error, covered = (
                means[..., 0] / WORTH_BOTH - 1,
                np.abs(means[..., 0] - WORTH_BOTH) < means[..., 1],
            )
            bias, stderr = error.mean(axis=0), error.std(axis=0) / LOGS**0.5
            z[daily, way] = bias / stderr
            cells = zip(bias, stderr, covered.mean(axis=0), strict=True)
            table.add_row(
                f"{daily * DAYS}", way, *(f"{100 * b:+.2f} ({100 * s:.2f}) {c:4.0%}" for b, s, c in cells)
            )
    console = Console(width=160)
    console.print()
    console.print(table)
    for daily in (DAILY, 1000):
        assert (z[daily, "ipcw by kind"] * [1, -1] > 4).all()
        assert (np.abs(z[daily, "ipcw"]) < 4).all()


def mean_of(known: Known, arm: int) -> tuple[float, float]:
    """What an arm earned on average, and how far its interval reaches."""
    mine = known.reward[known.arm == arm]
    return float(mine.mean()), float(1.96 * mine.std() / len(mine) ** 0.5)


def figures(known: Known) -> Floats:
    """(figures, 3) value, lower and upper bound of each of FIGURES."""
    mean, reach = mean_of(known, BEST)
    rows = np.arange(len(known.arm))
    sample = Sample(
        reward=known.reward,
        propensity=known.logging[rows, known.arm],
        target_propensity=POLICY[known.arm],
        q_logged=MODEL[known.arm],
        v_target=np.full(len(rows), POLICY @ MODEL),
    )
    state = EvaluationState.initial(("policy",), ("ips", "dr"))
    results = Results(state.update([sample], mix(rows.astype(np.uint64), 1)), RewardRange(0.0, 1.0))
    found = [results.figures(0, None, name, CONFIDENCE, INTERVALS["delta"]) for name in ("ips", "dr")]
    return np.array(
        [
            [mean, mean - reach, mean + reach],
            *([each["value"], each["lower"], each["upper"]] for each in found),
        ],
        dtype=np.float64,
    )

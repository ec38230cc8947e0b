"""Rewards that come late, dealt with in three ways: young impressions as they are, left out, and weighted.

Prints over simulated logs of four weeks the bias of the mean reward of the best arm and of a policy's value,
in % of the truth and with its standard error; how often intervals at 95 % hold the truth; and after an x how
many times as many impressions, of those whose window is over, would give the same variance."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.unit.core.delayed import VALUES, WAYS, Known, logs

from nightslate.core.arrays import Floats
from nightslate.core.estimators.estimator import RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.intervals import INTERVALS
from nightslate.core.estimators.results import Results
from nightslate.core.estimators.sample import Sample
from nightslate.core.hashing import mix

CONFIDENCE = 0.95
LOGS, DAILY = 300, 150
MEAN_DELAYS = (0.5, 2.0, 6.0)
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


def figures(known: Known) -> Floats:
    """(figures, 3) value, lower and upper bound of each of FIGURES."""
    mine = known.reward[known.arm == BEST]
    reach = 1.96 * mine.std() / len(mine) ** 0.5
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
            [mine.mean(), mine.mean() - reach, mine.mean() + reach],
            *([each["value"], each["lower"], each["upper"]] for each in found),
        ],
        dtype=np.float64,
    )

"""Estimates with intervals, and cross-fitted DR, beside the Open Bandit Pipeline (OBP) on the same logs.

Prints times and ratios; says nothing about how fast is fast enough, since that depends on the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import Ridge
from tests.benchmarks.peers import ask, peer_python
from tests.oracles.reward_model import CrossFitted, FoldSums, cross_fit

from nightslate.core.hashing import mix
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Bootstrap, Delta
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.policies.learner import Arms
from nightslate.errors import MachineError

ROWS, ARMS, FEATURES, RESAMPLES, TUNING = 1_000_000, 30, 20, 1000, 4.0
NAMES = ("ips", "snips", "dm", "dr", "sndr", "switch_dr", "dros")
CLUSTER = mix(np.arange(ROWS, dtype=np.uint64), 0)
TIMES = Path(__file__).parents[1] / "obp_side" / "times.py"


def test_estimates_and_cross_fitting() -> None:
    log = logs()
    ours = {
        "points": seconds(lambda: results(evaluated(log), interval=Delta())),
        "intervals": seconds(lambda: results(evaluated(log), interval=Bootstrap(RESAMPLES))),
        "linear": seconds(lambda: doubly_robust(log, linear(log))),
        "ridge": seconds(lambda: doubly_robust(log, ridge(log)), runs=1),
    }
    console = Console(width=110)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console.print(f"\n{ROWS:,} rows x {ARMS} arms x {FEATURES} features; {cores} cores, load {load:.1f}")
    try:
        theirs = ask(peer_python("obp"), TIMES, {**log, "tuning": np.asarray(TUNING)})
    except MachineError as error:
        console.print(f"OBP: not measured. {error}", highlight=False)
        theirs = {}
    console.print(compared(ours, theirs))


def logs() -> dict[str, np.ndarray]:
    """Rows of uniformly random arms, a target policy and a reward model for the estimates."""
    generator = np.random.default_rng(0)
    contexts = np.column_stack([np.ones(ROWS), generator.normal(size=(ROWS, FEATURES - 1))])
    scores = contexts @ generator.normal(size=(FEATURES, ARMS)) / FEATURES
    target = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    arm = generator.integers(0, ARMS, ROWS)
    success = 1 / (1 + np.exp(1 - scores))
    return {
        "contexts": contexts,
        "arm": arm,
        "reward": (generator.random(ROWS) < success[np.arange(ROWS), arm]).astype(np.float64),
        "propensity": np.full(ROWS, 1 / ARMS),
        "target": target,
        "model": success,
    }


def evaluated(log: dict[str, np.ndarray]) -> EvaluationState:
    """The seven estimators' sums, from the same arrays that OBP gets."""
    of_rows = np.arange(ROWS)
    sample = Sample(
        reward=log["reward"],
        propensity=log["propensity"],
        target_propensity=log["target"][of_rows, log["arm"]],
        q_logged=log["model"][of_rows, log["arm"]],
        v_target=np.einsum("na,na->n", log["target"], log["model"]),
    )
    tunings = {"switch_dr": TUNING, "dros": TUNING}
    return EvaluationState.initial(("target",), NAMES, tunings).update([sample], CLUSTER)


def linear(log: dict[str, np.ndarray]) -> CrossFitted:
    sums = FoldSums.initial(ARMS, FEATURES)
    return sums.update(log["contexts"], log["arm"], log["reward"], CLUSTER).fit(Arms.plain(range(ARMS)))


def ridge(log: dict[str, np.ndarray]) -> CrossFitted:
    return cross_fit(Ridge(), log["contexts"], log["arm"], log["reward"], CLUSTER, Arms.plain(range(ARMS)))


def doubly_robust(log: dict[str, np.ndarray], models: CrossFitted) -> list[Estimate]:
    q_logged, v_target = models.expectations(log["contexts"], log["arm"], log["target"], CLUSTER)
    target = log["target"][np.arange(ROWS), log["arm"]]
    sample = Sample(log["reward"], log["propensity"], target, q_logged, v_target)
    return results(EvaluationState.initial(("target",), ["dr"]).update([sample], CLUSTER), interval=Delta())


def seconds(work: Callable[[], object], runs: int = 2) -> float:
    """The better of the runs."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def compared(ours: dict[str, float], theirs: dict[str, float]) -> Table:
    """Seconds of both, and how many times as long OBP takes."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in ("nightslate", "OBP", "ratio", "aim"):
        table.add_column(column, justify="right")
    peer, intervals = theirs.get("points"), None
    if theirs:
        intervals = theirs["points"] + RESAMPLES * theirs["resample"]
        measured = theirs["resamples measured"]
        table.caption = f"OBP's intervals: {measured} resamples timed; per resample, times {RESAMPLES:,}"
    for label, mine, other, aim in (
        ("7 estimates (ours with delta-method intervals)", ours["points"], peer, ""),
        (f"7 estimates, {RESAMPLES:,} resamples each", ours["intervals"], intervals, "50"),
        ("cross-fitted DR: linear in each arm; OBP: ridge", ours["linear"], theirs.get("cross-fit"), "5"),
        ("cross-fitted DR: scikit-learn's ridge in both", ours["ridge"], theirs.get("cross-fit"), ""),
    ):
        row = ("", "") if other is None else (f"{other:.2f} s", f"{other / mine:.1f}")
        table.add_row(label, f"{mine:.2f} s", *row, aim)
    return table

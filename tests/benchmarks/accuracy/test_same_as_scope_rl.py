"""The same trajectories, policies and model give the same values as SCOPE-RL.

It wants trajectories of one length: those that end before are given steps in which both policies have one
choice and nothing comes of it. It adds 1e-10 to the mean weights that it divides by; nothing else differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.benchmarks.peers import ask, peer_python

from nightslate.core.hashing import mix
from nightslate.core.ope import TRAJECTORY_ESTIMATORS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.errors import MachineError

TRAJECTORIES, STEPS, ARMS, DISCOUNT = 5_000, 8, 3, 0.9
TOLERANCE = 1e-9
VALUES = Path(__file__).parents[1] / "scope_rl_side" / "values.py"


def test_the_same_trajectories_give_the_same_values() -> None:
    console = Console(width=110)
    log, length = trajectories(np.random.default_rng(0))
    try:
        theirs = ask(peer_python("scope_rl"), VALUES, {**log, "discount": np.asarray(DISCOUNT)})
    except MachineError as error:
        console.print(f"\nSame values as SCOPE-RL: not compared. {error}", highlight=False)
        return
    ours = values(log, length)

    console.print(
        f"\nthe same {TRAJECTORIES:,} trajectories of 1 to {STEPS} steps, discount {DISCOUNT}",
        highlight=False,
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in ("nightslate", "SCOPE-RL", "apart by"):
        table.add_column(column, justify="right")
    for name, value in theirs.items():
        table.add_row(name, f"{ours[name]:.10f}", f"{value:.10f}", f"{abs(ours[name] - value):.0e}")
    console.print(table)
    assert set(ours) == set(theirs) == set(TRAJECTORY_ESTIMATORS)
    for name, value in theirs.items():
        assert abs(ours[name] - value) <= TOLERANCE, name


def values(log: dict[str, np.ndarray], length: np.ndarray) -> dict[str, float | None]:
    """Each estimator's value, from rows of one step each."""
    trajectory, place = np.nonzero(np.arange(STEPS) < length[:, None])
    action = log["action"][trajectory, place]
    target, model = log["target"][trajectory, place], log["model"][trajectory, place]
    rows = np.arange(action.size)
    columns = {
        "reward": log["reward"][trajectory, place],
        "propensity": log["propensity"][trajectory, place],
        "target_propensity": target[rows, action],
        "q_logged": model[rows, action],
        "v_target": (target * model).sum(axis=1),
    }
    sample = TrajectorySample.of_rows(trajectory, place + 1, columns, STEPS, DISCOUNT)
    state = EvaluationState.initial(("policy",), list(TRAJECTORY_ESTIMATORS), slots=STEPS)
    state = state.update([sample], mix(np.arange(sample.n, dtype=np.uint64), 0))
    return {estimate.estimator: estimate.value for estimate in results(state)}


def trajectories(generator: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Trajectories of two policies and a model of what is to come, all random, and how long each is."""
    shape = (TRAJECTORIES, STEPS)
    logging, target = generator.dirichlet(np.full(ARMS, 2.0), size=(2, *shape))
    action = (generator.random((*shape, 1)) > logging.cumsum(axis=2)[:, :, :-1]).sum(axis=2)
    length = generator.integers(1, STEPS + 1, TRAJECTORIES)
    there = np.arange(STEPS) < length[:, None]
    action = np.where(there, action, 0)
    return {
        "action": action,
        "reward": np.where(there, generator.normal(action / ARMS, 1.0), 0.0),
        "propensity": np.where(there, np.take_along_axis(logging, action[:, :, None], axis=2)[:, :, 0], 1.0),
        "target": np.where(there[:, :, None], target, np.eye(ARMS)[0]),
        "model": np.where(there[:, :, None], generator.normal(1.0, 0.5, (*shape, ARMS)), 0.0),
    }, length

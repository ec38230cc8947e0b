"""How far estimates are from the truth, beside those of the Open Bandit Pipeline (OBP) on the same logs.

Reward models are cross-fitted in 5 folds: nightslate's is linear in each arm, OBP's own is a logistic
regression on context and arm. With nightslate's, OBP differs in how it tunes clipped_ips, switch_dr and dros
from the same candidates: by SLOPE. Prints root mean squared errors and biases over repeated logs;
asserts nothing about who is closer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.accuracy.worlds import WORLDS, World
from tests.benchmarks.peers import ask, peer_python
from tests.oracles.reward_model import CrossFitted, FoldSums, mrdr_weights

from nightslate.core.hashing import mix
from nightslate.core.ope.estimator import DOUBLINGS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.policies.learner import Arms
from nightslate.errors import MachineError

LOGS = 50
NAMES = ("ips", "snips", "clipped_ips", "dm", "dr", "sndr", "switch_dr", "dros", "mrdr")
ERRORS = Path(__file__).parents[1] / "obp_side" / "errors.py"


@pytest.mark.parametrize("name", WORLDS)
def test_errors_against_the_truth(name: str) -> None:
    world = WORLDS[name]()
    logs = [log_of(world, seed) for seed in range(LOGS)]
    columns = {"nightslate": ours(logs)}
    console = Console(width=110, highlight=False)
    console.print(
        f"\n{name}: {LOGS} logs of {logs[0]['arm'].size} rows, {world.logging.shape[1]} arms;"
        f" value {world.value:.3f}; root mean squared error (bias)"
    )
    try:
        theirs = ask(peer_python("obp"), ERRORS, inputs(logs))
        columns["OBP, nightslate's model"] = theirs["shared"]
        columns["OBP, its own model"] = theirs["own"]
    except MachineError as error:
        console.print(f"OBP: not measured. {error}")
    console.print(table(columns, world.value))


def log_of(world: World, seed: int) -> dict[str, np.ndarray]:
    """One log, and what models that were fitted to it expect of every arm, (n, A)."""
    context, arm, reward = world.draw(seed)
    contexts, target = world.contexts[context], world.target[context]
    propensity = world.logging[context, arm]
    cluster = mix(np.arange(arm.size, dtype=np.uint64), 0)
    weights = mrdr_weights(propensity, target[np.arange(arm.size), arm])

    def expected(weights: np.ndarray | None) -> np.ndarray:
        sums = FoldSums.initial(target.shape[1], contexts.shape[1])
        models = sums.update(contexts, arm, reward, cluster, weights).fit(Arms.plain(range(target.shape[1])))
        return every_arm(models, contexts, target, cluster)

    return {
        "contexts": contexts,
        "arm": arm,
        "reward": reward,
        "propensity": propensity,
        "target": target,
        "shared": expected(None),
        "shared_mrdr": expected(weights),
    }


def every_arm(
    models: CrossFitted, contexts: np.ndarray, target: np.ndarray, cluster: np.ndarray
) -> np.ndarray:
    """(n, A) what is expected of each arm, as if each had been logged."""
    rows, arms = target.shape
    columns = (models.expectations(contexts, np.full(rows, arm), target, cluster)[0] for arm in range(arms))
    return np.stack(list(columns), axis=1)


def ours(logs: list[dict[str, np.ndarray]]) -> dict[str, list[float]]:
    """The values of each estimator, a log each."""
    values: dict[str, list[float]] = {name: [] for name in NAMES}
    for log in logs:
        of_rows, arm, target = np.arange(log["arm"].size), log["arm"], log["target"]
        sample = Sample(
            reward=log["reward"],
            propensity=log["propensity"],
            target_propensity=target[of_rows, arm],
            q_logged=log["shared"][of_rows, arm],
            v_target=(target * log["shared"]).sum(axis=1),
            q_logged_mrdr=log["shared_mrdr"][of_rows, arm],
            v_target_mrdr=(target * log["shared_mrdr"]).sum(axis=1),
        )
        state = EvaluationState.initial(("target",), NAMES).update(
            [sample], mix(of_rows.astype(np.uint64), 0)
        )
        for estimate in results(state, interval=Delta()):
            values[estimate.estimator].append(estimate.value)
    return values


def inputs(logs: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What OBP is given: all logs of a world, stacked."""
    return {name: np.stack([log[name] for log in logs]) for name in logs[0]} | {
        "candidates": np.array(DOUBLINGS)
    }


def table(columns: dict[str, dict[str, list[float]]], truth: float) -> Table:
    """An estimator a row."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name in NAMES:
        errors = [np.array(values[name]) - truth for values in columns.values()]
        table.add_row(name, *(f"{np.sqrt((e**2).mean()):.4f} ({e.mean():+.4f})" for e in errors))
    return table

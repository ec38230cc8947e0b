"""The same logs, policies and reward model give the same values as the Open Bandit Pipeline (OBP)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.benchmarks.peers import ask, peer_python

from nightslate.core.hashing import mix
from nightslate.core.ope import BANDIT_ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Logged, Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.policies.plackett_luce import (
    conditional_propensities,
    marginal_propensities_of,
    sample_rankings,
)
from nightslate.errors import MachineError

ROWS, ARMS, SLOTS, TUNING = 20_000, 8, 3, 4.0
TOLERANCE = 1e-8
VALUES = Path(__file__).parents[1] / "obp_side" / "values.py"


def test_the_same_inputs_give_the_same_values() -> None:
    console = Console(width=110)
    generator = np.random.default_rng(0)
    bandits, slates = bandit_log(generator), slate_log(generator)
    inputs = {f"bandit_{name}": array for name, array in bandits.items()}
    inputs |= {f"slate_{name}": array for name, array in slates.items()}
    try:
        theirs = ask(peer_python("obp"), VALUES, {**inputs, "tuning": np.asarray(TUNING)})
    except MachineError as error:
        console.print(f"\nSame values as OBP: not compared. {error}", highlight=False)
        return
    of_rows = np.arange(ROWS)
    bandit = Sample(
        reward=bandits["reward"],
        propensity=bandits["propensity"],
        target_propensity=bandits["target"][of_rows, bandits["arm"]],
        q_logged=bandits["model"][of_rows, bandits["arm"]],
        v_target=(bandits["target"] * bandits["model"]).sum(axis=1),
    )
    given = {name: slates[name] for name in SlateSample.__dataclass_fields__ if name in slates}
    slate = SlateSample(
        **given,
        q_logged=np.take_along_axis(slates["model"], slates["shown"][:, :, None], axis=2)[:, :, 0],
        v_target=(slates["onward"] * slates["model"]).sum(axis=2),
    )
    ours = values(bandit, [name for name in theirs if name in BANDIT_ESTIMATORS], 1)
    ours |= values(slate, [name for name in theirs if name in SLATE_ESTIMATORS], SLOTS)

    console.print(
        f"\nthe same {ROWS:,} rows of {ARMS} arms, and as many slates of {SLOTS} slots", highlight=False
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in ("nightslate", "OBP", "apart by"):
        table.add_column(column, justify="right")
    for name, value in theirs.items():
        table.add_row(name, f"{ours[name]:.10f}", f"{value:.10f}", f"{abs(ours[name] - value):.0e}")
    console.print(table)
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert abs(ours[name] - value) <= TOLERANCE, name


def values(sample: Logged, names: list[str], slots: int) -> dict[str, float | None]:
    """Each estimator's value, where it has a tuning parameter with that of both sides."""
    tuned = {name: TUNING for name in names if name in ("clipped_ips", "switch_dr", "dros")}
    state = EvaluationState.initial(("policy",), names, tuned, slots)
    state = state.update([sample], mix(np.arange(sample.n, dtype=np.uint64), 0))
    return {estimate.estimator: estimate.value for estimate in results(state)}


def bandit_log(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows of single arms, two policies and a reward model, all random."""
    logging, target = generator.dirichlet(np.full(ARMS, 0.7), size=(2, ROWS))
    arm = (generator.random((ROWS, 1)) > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return {
        "arm": arm,
        "reward": generator.normal(arm / ARMS, 1.0),
        "propensity": logging[np.arange(ROWS), arm],
        "target": target,
        "model": generator.normal(np.arange(ARMS) / ARMS, 0.5, (ROWS, ARMS)),
    }


def slate_log(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Plackett-Luce rankings of one policy, what another thinks of them, and a reward model."""
    weights = dict(zip(("", "target_"), generator.gamma(1.0, size=(2, ROWS, ARMS)) + 0.05, strict=True))
    keys = mix(np.arange(ROWS, dtype=np.uint64), 1), mix(np.arange(ARMS, dtype=np.uint64), 2)
    shown = sample_rankings(weights[""], *keys, SLOTS)
    left, onward = weights["target_"].copy(), np.empty((ROWS, SLOTS, ARMS))
    for slot in range(SLOTS):
        onward[:, slot] = left / left.sum(axis=1, keepdims=True)
        np.put_along_axis(left, shown[:, [slot]], 0.0, axis=1)
    return {
        "shown": shown,
        "reward": generator.normal(shown / ARMS, 1.0),
        "onward": onward,
        "model": generator.normal(1.0, 0.5, (ROWS, SLOTS, ARMS)),
        **{f"{side}propensity": conditional_propensities(w, shown) for side, w in weights.items()},
        **{f"{side}marginal_propensity": marginal_propensities_of(w, shown) for side, w in weights.items()},
    }

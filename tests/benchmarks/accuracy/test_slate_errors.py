"""How far estimates of slates are from the truth, under three ways in which rewards may depend on the slate.

Prints root mean squared errors and biases over repeated logs. OBP's estimators give the same values
(test_same_as_obp.py); it has no pseudo-inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
from rich.console import Console
from rich.table import Table

from nightslate.core.hashing import mix
from nightslate.core.ope import SLATE_ESTIMATORS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.pseudo_inverse import pseudo_inverse_weights
from nightslate.core.ope.results import results
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.policies.plackett_luce import (
    conditional_propensities,
    joint_propensity,
    marginal_propensities,
    sample_rankings,
)
from nightslate.core.policies.second_moments import second_moments

LOGS, DECISIONS, CONTEXTS, ARMS, SLOTS = 100, 1000, 4, 6, 3
GENERATOR = np.random.default_rng(5)
LOGGING, TARGET = np.exp(1.2 * GENERATOR.normal(size=(2, CONTEXTS, ARMS)))
APPEAL = GENERATOR.uniform(0.1, 0.9, (CONTEXTS, ARMS))
MODEL = np.clip(APPEAL + GENERATOR.normal(0, 0.15, APPEAL.shape), 0, 1)
EXAMINED = np.array([1.0, 0.7, 0.5])


def position_wise(appeal: np.ndarray) -> np.ndarray:
    """(n, K) success from the appeal (n, K) of what is shown: slots stand alone."""
    return appeal * EXAMINED


def cascading(appeal: np.ndarray) -> np.ndarray:
    """The better what came before, the less is left for later slots."""
    before = np.cumprod(1 - 0.8 * appeal, axis=1) / (1 - 0.8 * appeal)
    return appeal * before


def entangled(appeal: np.ndarray) -> np.ndarray:
    """Every arm takes from every other."""
    return appeal * EXAMINED * (1 - 0.4 * (appeal.sum(axis=1, keepdims=True) - appeal))


REWARDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "slots stand alone": position_wise,
    "cascade": cascading,
    "every slot on every other": entangled,
}


def test_errors_of_slates() -> None:
    console = Console(width=110, highlight=False)
    console.print(
        f"\nslates: {LOGS} logs of {DECISIONS} rankings of {SLOTS} of {ARMS} arms, logged and evaluated under"
        " Plackett-Luce policies; root mean squared error (bias)"
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("rewards depend on")
    errors = {}
    for label, success in REWARDS.items():
        truth = value(success)
        table.add_column(f"{label} ({truth:.3f})", justify="right")
        errors[label] = [estimates(success, seed) - truth for seed in range(LOGS)]
    for place, name in enumerate(SLATE_ESTIMATORS):
        of_name = [np.array(each)[:, place] for each in errors.values()]
        table.add_row(name, *(f"{np.sqrt((e**2).mean()):.4f} ({e.mean():+.4f})" for e in of_name))
    console.print(table)


def value(success: Callable[[np.ndarray], np.ndarray]) -> float:
    """The target's expected reward of a decision, over all rankings."""
    rankings = np.array(list(permutations(range(ARMS), SLOTS)))
    by_context = [
        joint_propensity(np.tile(TARGET[c], (len(rankings), 1)), rankings)
        @ success(APPEAL[c][rankings]).sum(axis=1)
        for c in range(CONTEXTS)
    ]
    return float(np.mean(by_context))


def estimates(success: Callable[[np.ndarray], np.ndarray], seed: int) -> np.ndarray:
    """Each estimator's value of one log."""
    generator = np.random.default_rng(seed)
    context = generator.integers(0, CONTEXTS, DECISIONS)
    users = mix(np.arange(DECISIONS, dtype=np.uint64), seed)
    shown = sample_rankings(LOGGING[context], users, mix(np.arange(ARMS, dtype=np.uint64), 0), SLOTS)
    mean = success(np.take_along_axis(APPEAL[context], shown, axis=1))
    marginal, wanted = (
        np.stack([marginal_propensities(weights, slot + 1) for slot in range(SLOTS)], axis=1)[context]
        for weights in (LOGGING, TARGET)
    )
    at = (np.arange(DECISIONS)[:, None], np.arange(SLOTS), shown)
    q_logged, v_target = expectations(context, shown)
    sample = SlateSample(
        reward=(generator.random(mean.shape) < mean).astype(np.float64),
        propensity=conditional_propensities(LOGGING[context], shown),
        target_propensity=conditional_propensities(TARGET[context], shown),
        marginal_propensity=marginal[at],
        target_marginal_propensity=wanted[at],
        q_logged=q_logged,
        v_target=v_target,
        pseudo_inverse_weight=pseudo_inverse_weights(second_moments(LOGGING, SLOTS)[context], wanted, shown),
    )
    state = EvaluationState.initial(("target",), list(SLATE_ESTIMATORS), slots=SLOTS).update([sample], users)
    return np.array([estimate.value for estimate in results(state, interval=Delta())])


def expectations(context: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """q_logged and v_target (n, K) of a model that is somewhat wrong and expects of a slot its own reward
    only."""
    expected = MODEL[context][:, None, :] * EXAMINED[:, None]
    left, v_target = TARGET[context].copy(), np.empty(shown.shape)
    for slot in range(SLOTS):
        v_target[:, slot] = (left * expected[:, slot]).sum(axis=1) / left.sum(axis=1)
        np.put_along_axis(left, shown[:, [slot]], 0.0, axis=1)
    return np.take_along_axis(expected, shown[:, :, None], axis=2)[:, :, 0], v_target

"""How often intervals of trajectory estimates at 95 % hold the truth, over 200 histories of a known world.

Each history is a campaign of 500 to 1,000 customers who got their three offers at random; what is estimated
is the exact value of epsilon-greedy policies. Prints the measured coverage and the mean width of the
intervals. The Monte Carlo error of a coverage of 95 % is 1.5 points."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from nightslate.core.arrays import Floats
from nightslate.core.fitted_q import choosing
from nightslate.core.hashing import mix, seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Bootstrap, Delta
from nightslate.core.ope.results import Results
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.worlds.next_best_action import truth
from nightslate.worlds.next_best_action.world import OFFERS, UNIFORM, Histories, World

pytestmark = pytest.mark.timeout(7200)

CONFIDENCE = 0.95
HISTORIES, FEWEST, MOST = 200, 500, 1000
EPSILONS = np.linspace(0, 2 / 3, 10)
ESTIMATORS = ("pdis", "snpdis", "traj_dr")
INTERVALS = (Delta(), Bootstrap(500))
CHANCE = 1e-3
"""That intervals which are right fail the whole test: each cell is allowed its share of it."""


def test_intervals_hold_the_exact_value_as_often_as_they_say() -> None:
    bounds = np.array([intervals_of(number) for number in range(HISTORIES)])
    exact = np.array([value(epsilon) for epsilon in EPSILONS])
    lower, upper = np.moveaxis(bounds, -1, 0)
    held = ((lower <= exact[:, None, None]) & (exact[:, None, None] <= upper)).sum(axis=0)
    widths = (upper - lower).mean(axis=0)
    table = Table(
        title=f"coverage at {CONFIDENCE:.0%} (mean width), {HISTORIES} histories", box=None, pad_edge=False
    )
    for column in ("epsilon", "value", *(f"{name}, {i.name}" for name in ESTIMATORS for i in INTERVALS)):
        table.add_column(column, justify="right")
    for epsilon, worth, of_cells, width in zip(EPSILONS, exact, held, widths, strict=True):
        cells = zip(of_cells.ravel(), width.ravel(), strict=True)
        shares = (f"{cell / HISTORIES:.1%} ({wide:.2f})" for cell, wide in cells)
        table.add_row(f"{epsilon:.3f}", f"{worth:.2f}", *shares)
    console = Console(width=160)
    console.print()
    console.print(table)
    least, most = binom.ppf([CHANCE / held.size / 2, 1 - CHANCE / held.size / 2], HISTORIES, CONFIDENCE)
    assert held.min() >= least
    assert held.max() <= most


def intervals_of(number: int) -> Floats:
    """(epsilons, estimators, intervals, 2): the bounds that one history gives."""
    customers = int(np.random.default_rng(number).integers(FEWEST, MOST + 1))
    history = World(customers, seed("history", str(number)))
    played = history.play(UNIFORM)
    state = EvaluationState.initial(tuple(f"{e:.3f}" for e in EPSILONS), ESTIMATORS, slots=OFFERS)
    samples = [sample(played, epsilon) for epsilon in EPSILONS]
    results = Results(state.update(samples, mix(np.arange(customers, dtype=np.uint64), 1)), RewardRange(0, 1))
    found = [
        [[results.figures(p, None, name, CONFIDENCE, each) for each in INTERVALS] for name in ESTIMATORS]
        for p in range(len(EPSILONS))
    ]
    return np.array([[[(f["lower"], f["upper"]) for f in e] for e in p] for p in found], dtype=np.float64)


def sample(history: Histories, epsilon: float) -> TrajectorySample:
    """A history as the estimators look at it. The model for the doubly robust one is the exact value of
    each offer if the best follows, which is not that of the policy unless epsilon is 0."""
    rows = np.arange(len(history.actions))
    expected = truth.playing(values)(history.states)
    weights = truth.playing(lambda past: rule(past, epsilon))(history.states)
    columns = {
        "reward": history.rewards,
        "propensity": history.propensity,
        "target_propensity": weights[rows, history.actions],
        "q_logged": expected[rows, history.actions],
        "v_target": (weights * expected).sum(axis=1),
    }
    return TrajectorySample.of_rows(history.customer, history.number, columns, OFFERS)


def value(epsilon: float) -> float:
    """Exact, of the policy that the estimates are of."""
    return truth.value_of(lambda past: rule(truth.segment_of(past), epsilon))


def rule(past: truth.History, epsilon: float) -> Floats:
    return choosing(values(past)[None], "epsilon_greedy", epsilon, temperature=1.0)[0]


def values(past: truth.History) -> Floats:
    return np.array(truth.action_values(past))

"""What the greedy policy of the program next_best_action learns from 1,000 customers, over 10 histories.

Prints, for each, what it earns when it is played in the world, beside the optimum that the world's dynamic
programming gives, and what it recommends to each segment. The recommendation is that of most customers of the
segment; after an advertisement or a discount these are customers before their second offer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.benchmarks.fitted_q.campaign import OFFERED

from nightslate import programs
from nightslate.core.arrays import Bools, Floats
from nightslate.core.fitted_q import FittedQ, FittedQPolicy
from nightslate.programs.learners import FittedQLearner
from nightslate.worlds.next_best_action import truth
from nightslate.worlds.next_best_action.world import ARMS, FEATURES, NEVER, UNIFORM, Histories, World

HISTORIES, CUSTOMERS, PLAYED = 10, 1000, 20_000
ENOUGH = 0.95
"""Of the optimum."""

DAGS = Path(__file__).parents[3] / "dags"


def test_the_greedy_policy_earns_what_can_be_earned_and_knows_every_segment() -> None:
    learner, best = shipped(), truth.best_offers()
    table = Table(title=f"greedy on {CUSTOMERS:,} customers, optimum {truth.optimum():.2f}", box=None)
    for column in ("seed", "earns", "of optimum", "iterations", *best):
        table.add_column(column, justify="right")
    shares, wrong = [], []
    for seed in range(1, HISTORIES + 1):
        history = World(CUSTOMERS, seed).play(UNIFORM)
        policy = learner.fit(history.transitions(), OFFERED, seed)
        earned = World(PLAYED, 1000 + seed).play(lambda states, p=policy: p.weights(with_1(states)))
        found = recommended(policy, history)
        shares.append(float(earned.expected.mean()) / truth.optimum())
        wrong += [(seed, segment) for segment, arm in found.items() if arm not in best[segment]]
        value, share = f"{shares[-1] * truth.optimum():.2f}", f"{shares[-1]:.1%}"
        table.add_row(str(seed), value, share, str(len(policy.curve)), *found.values())
    console = Console(width=160)
    console.print()
    console.print(table)
    assert min(shares) >= ENOUGH
    assert not wrong


def shipped() -> FittedQ:
    """The learner of the program that ships."""
    (spec,) = (
        learner
        for learner in programs.load(DAGS / "next_best_action.yaml").only_issue.learners.values()
        if isinstance(learner, FittedQLearner)
    )
    return FittedQ(**spec.model_dump(exclude={"kind"}))


def recommended(policy: FittedQPolicy, history: Histories) -> dict[str, str]:
    """By segment, the arm that is best for most of its customers."""
    best = policy.action_values(with_1(history.states)).argmax(axis=1)
    return {
        segment: ARMS[int(np.bincount(best[in_segment(history, past)], minlength=len(ARMS)).argmax())]
        for segment, past in truth.SEGMENTS.items()
    }


def in_segment(history: Histories, past: truth.History) -> Bools:
    """(m,): the offers before which just this had been offered."""
    offered = history.states[:, -len(ARMS) :] < NEVER
    expected = np.isin(np.arange(len(ARMS)), past)
    return np.asarray((offered == expected).all(axis=1) & (history.number == len(past) + 1))


def with_1(states: Floats) -> Floats:
    """(n, 5) -> (n, 6): as policies know them, a constant first."""
    assert states.shape[1] == len(FEATURES)
    return np.hstack([np.ones((len(states), 1)), states])

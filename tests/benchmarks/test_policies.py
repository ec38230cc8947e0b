"""Fitting linear learners beside MABWiser, and rankings with their propensities beside Mab2Rec.

Prints times and ratios; says nothing about how fast is fast enough, since that depends on the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.benchmarks.peers import ask, peer_python

from nightslate.core.hashing import mix
from nightslate.core.policies import Arms, LinearThompson, LinearUCB
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings
from nightslate.errors import MachineError

ARMS, ROWS, FEATURES = 30, 1_000_000, 20
USERS, USER_FEATURES, DRAWS, DEPTH, FLOOR = 1_000_000, 32, 64, 10, 0.05
USERS_OF_PEER = 100_000
CHUNK = 16_384
PLAIN = Arms.plain(range(ARMS))


def test_fit_and_rank() -> None:
    contexts, arms, rewards = logs(ROWS, FEATURES)
    users = logs(USERS, USER_FEATURES)
    fits = {
        "LinUCB": seconds(fit, LinearUCB(), contexts, arms, rewards),
        "LinTS": seconds(fit, LinearThompson(draws=DRAWS), contexts, arms, rewards),
    }
    policies = {"LinUCB": fit(LinearUCB(), *users), "LinTS": fit(LinearThompson(draws=DRAWS), *users)}
    ranks = {name: seconds(rank, policy, users[0]) for name, policy in policies.items()}
    peer = of_peer(contexts, arms, rewards, users[0][:USERS_OF_PEER])

    console = Console(width=110)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console.print(f"\n{cores} cores, one process, the better of two runs, load {load:.1f}")
    console.print(f"fit: {ROWS:,} rows x {FEATURES} features x {ARMS} arms")
    console.print(compared("MABWiser", fits, {name: peer.get(f"fit {name}") for name in fits}))
    console.print(
        f"rank: {USERS:,} users x {ARMS} arms x {USER_FEATURES} features; {DEPTH} arms and their propensities"
        f" ({DRAWS} posterior draws)"
    )
    console.print(f"beside a bare top 3, timed on {USERS_OF_PEER:,} users and scaled up")
    console.print(compared("Mab2Rec", ranks, {name: peer.get(f"recommend {name}") for name in ranks}))


def logs(rows: int, features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contexts, uniformly random arms, and rewards that depend on both."""
    generator = np.random.default_rng(0)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, features - 1))])
    arms = generator.integers(0, ARMS, rows)
    theta = 0.1 * generator.normal(size=(ARMS, features))
    return contexts, arms, np.einsum("nd,nd->n", contexts, theta[arms]) + generator.normal(size=rows)


def fit(
    learner: LinearUCB | LinearThompson, contexts: np.ndarray, arms: np.ndarray, rewards: np.ndarray
) -> Policy:
    """From rows to a policy."""
    return learner.fit(learner.initial(ARMS, contexts.shape[1]).update(contexts, arms, rewards), PLAIN, 0)


def rank(policy: Policy, contexts: np.ndarray) -> None:
    """From users to what a slate holds, as the night does it: in chunks, from the weights as stored."""
    keys = mix(np.arange(len(contexts), dtype=np.uint64), 7)
    for start in range(0, len(contexts), CHUNK):
        chunk = slice(start, start + CHUNK)
        weights = mix_floor(policy.weights(contexts[chunk]), FLOOR)
        rankings = sample_rankings(weights, keys[chunk], PLAIN.keys, DEPTH)
        conditional_propensities(weights, rankings)


def of_peer(
    contexts: np.ndarray, arms: np.ndarray, rewards: np.ndarray, users: np.ndarray
) -> dict[str, float]:
    """Seconds of MABWiser and Mab2Rec; none where they can't be installed."""
    try:
        python = peer_python("mab2rec")
    except MachineError as error:
        print(f"\n{error}")
        return {}
    script = Path(__file__).with_name("mab2rec_times.py")
    inputs = {"contexts": contexts, "arms": arms, "rewards": rewards, "users": users}
    times: dict[str, float] = ask(python, script, inputs)
    scale = USERS / len(users)
    return {name: took * (scale if name.startswith("recommend") else 1) for name, took in times.items()}


def seconds(call: Callable[..., Any], *arguments: object) -> float:
    """The better of two runs."""
    took = []
    for _ in range(2):
        began = time.perf_counter()
        call(*arguments)
        took.append(time.perf_counter() - began)
    return min(took)


def compared(peer: str, ours: dict[str, float], theirs: dict[str, float | None]) -> Table:
    """A row a policy: seconds of both, and how many times faster nightslate is."""
    table = Table()
    for title in ("", "nightslate", peer, "times faster"):
        table.add_column(title, justify="left" if title == "" else "right")
    for name, took in ours.items():
        other = theirs[name]
        known = (f"{other:.2f} s", f"{other / took:.1f}") if other is not None else ("", "")
        table.add_row(name, f"{took:.2f} s", *known)
    return table

"""One night's choice for all customers from the same logs of random messages, beside bayesianbandits and
MABWiser: what it is expected to lose, and how long it takes."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.marketing.shop import Nightly, Shop, at_random, by_policy
from tests.benchmarks.peers import ask, peer_python

from nightslate.core.policies import LinearThompson
from nightslate.core.policies.linear_posterior import Pooling
from nightslate.errors import MachineError
from nightslate.worlds.marketing_templates.population import Day
from nightslate.worlds.marketing_templates.templates import ARMS
from nightslate.worlds.marketing_templates.world import World

pytestmark = pytest.mark.timeout(7200)

SHOPS, CUSTOMERS, DAYS = 5, 3_000, 30
NIGHTS = (3, 10, 30)
RIDGE, FLOOR = 20.0, 1e-6
SIDE = Path(__file__).parents[1] / "marketing_side"
PEERS = {"bayesianbandits": "bayesianbandits", "mabwiser": "mab2rec"}
"""By script the environment."""


def test_the_same_logs() -> None:
    figures = dict[tuple[str, int], list[tuple[float, float]]]()
    for seed in range(1, SHOPS + 1):
        shop = Shop(World(CUSTOMERS, seed))
        inputs, worth = logged(shop)
        for name, by_night in {**of_peers(inputs), **ours(shop, inputs)}.items():
            for night, (chosen, seconds) in zip(NIGHTS, by_night, strict=True):
                figures.setdefault((name, night), []).append((lost(worth, chosen), seconds))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in (
        "learner",
        *(f"{what}, {night} nights" for night in NIGHTS for what in ("lost", "s")),
    ):
        table.add_column(title, justify="left" if title == "learner" else "right")
    for name in dict.fromkeys(name for name, _ in figures):
        cells = []
        for night in NIGHTS:
            losses, seconds = np.array(figures[name, night]).T
            cells += [
                f"{losses.mean():.3f} ± {losses.std(ddof=1) / math.sqrt(SHOPS):.3f}",
                f"{seconds.mean():.2f}",
            ]
        table.add_row(name, *cells)
    Console(width=140).print(
        f"\n{SHOPS} shops of {CUSTOMERS:,} customers and {len(ARMS)} arms; expected loss of a decision to the"
        " best arm that may be sent, each with the same prior and noise",
        table,
        highlight=False,
    )


def logged(shop: Shop) -> tuple[dict[str, Any], np.ndarray]:
    """The logs, and of the customers of the day after them what each arm is worth."""
    population = shop.population(Nightly(shop, at_random))
    days = [population.play(day) for day in range(DAYS + 1)]
    rows = [seen(shop, day) for day in days[:-1]]
    contexts, arms, rewards = (np.concatenate(each) for each in zip(*rows, strict=True))
    ends = np.cumsum([len(each[1]) for each in rows])
    last, crossed = days[-1], shop.arms.crossed
    assert crossed is not None
    inputs = {
        "contexts": contexts,
        "arms": arms,
        "rewards": rewards,
        "sizes": ends[np.array(NIGHTS) - 1],
        "users": of_decisions(shop, last),
        "eligible": last.decisions.eligible,
        "ridge": RIDGE,
        "noise": rewards.var(),
        "features": shop.arms.features,
        "crossed": crossed,
    }
    return inputs, np.where(last.decisions.eligible, shop.worth(last), -np.inf)


def seen(shop: Shop, day: Day) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contexts, arms and rewards of a day's decisions."""
    return of_decisions(shop, day), day.decisions.arm, shop.earned(day)


def of_decisions(shop: Shop, day: Day) -> np.ndarray:
    """(m, d) contexts."""
    place = day.decisions.place
    return shop.contexts(day.morning.take(place), day.tired[place])


def ours(shop: Shop, inputs: dict[str, Any]) -> dict[str, list[tuple[np.ndarray, float]]]:
    """By learner and night what is chosen, by probability, and how long that takes."""
    poolings: tuple[Pooling, ...] = ("shared", "hybrid", "disjoint")
    return {
        f"nightslate, {pooling}": [chosen(shop, pooling, inputs, n) for n in inputs["sizes"]]
        for pooling in poolings
    }


def chosen(shop: Shop, pooling: Pooling, inputs: dict[str, Any], size: int) -> tuple[np.ndarray, float]:
    """(m, arms) probabilities, and seconds."""
    began = time.perf_counter()
    learner = LinearThompson(pooling=pooling, ridge=RIDGE, noise_variance=float(inputs["noise"]))
    state = learner.initial(len(ARMS), shop.encoder.width)
    state = state.update(*(inputs[name][:size] for name in ("contexts", "arms", "rewards")))
    found = by_policy(learner.fit(state, shop.arms, 1), FLOOR)(inputs["users"], inputs["eligible"])
    return found, time.perf_counter() - began


def of_peers(inputs: dict[str, Any]) -> dict[str, list[tuple[np.ndarray, float]]]:
    """The same of each peer that can be installed."""
    found = dict[str, list[tuple[np.ndarray, float]]]()
    for name, environment in PEERS.items():
        try:
            python = peer_python(environment)
        except MachineError as error:
            print(f"\n{error}")
            continue
        for of_night in ask(python, SIDE / f"{name}_choices.py", inputs):
            for learner, told in of_night.items():
                one_hot = np.eye(len(ARMS))[told["chosen"]]
                found.setdefault(f"{name}, {learner}", []).append((one_hot, told["seconds"]))
    return found


def lost(worth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected, a decision."""
    among = np.where(np.isfinite(worth), worth, 0.0)
    return float((worth.max(axis=1) - (probabilities * among).sum(axis=1)).mean())

"""How often `ope` says deploy by luck, and how often of what is better.

Prints over 1,000 logs a world the share of `deploy` by the interval alone, by it and one more unit, which is
the verdict, and by bets on every reward, which are guaranteed. Rare: 80 arms logged uniformly, a reward with
probability 0.0038, a target that avoids 1 or 4 arms which are as good as the others or pay double."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from nightslate.core.arrays import Floats
from nightslate.core.ope.intervals import Anytime, Delta
from nightslate.core.ope.sample import Sample
from nightslate.files.log import Log
from nightslate.files.ope import evaluate
from nightslate.files.ope_options import OpeOptions

pytestmark = pytest.mark.timeout(7200)

LOGS = 1000
ALPHA = 0.05
ERROR = 2 * (ALPHA * (1 - ALPHA) / LOGS) ** 0.5
QUESTION = replace(OpeOptions.of(estimators="snips", rewards="0,1"), interval=Delta())


@dataclass(frozen=True)
class World:
    """Arms logged uniformly, with what each pays, and how a target chooses among them."""

    rows: int
    pays: Floats
    target: Floats

    @property
    def better(self) -> float:
        return float(self.target @ self.pays - self.pays.mean())

    def log(self, seed: int) -> Log:
        generator = np.random.default_rng(seed)
        arm = generator.integers(0, self.pays.size, self.rows)
        reward = (generator.random(self.rows) < self.pays[arm]).astype(np.float64)
        sample = Sample(reward, np.full(self.rows, 1 / self.pays.size), self.target[arm])
        return Log(sample, np.arange(self.rows, dtype=np.uint64), reward)


def choosing(arms: int, chosen: slice, others: float) -> Floats:
    """All but the share `others` evenly on some arms, that share evenly on all."""
    target = np.full(arms, others / arms)
    target[chosen] += (1 - others) / len(range(*chosen.indices(arms)))
    return target


def rare(avoided: int, times: float = 1.0, rows: int = 10_000) -> World:
    pays = np.full(80, 0.0038)
    pays[:avoided] *= times
    return World(rows, pays, choosing(80, slice(avoided, None), 0.1))


def benign(rows: int) -> World:
    pays = np.where(np.arange(10) < 5, 0.09, 0.11)
    return World(rows, pays, choosing(10, slice(5, None), 0.0) * 0.999 + 0.0001)


WORLDS = {
    "rare, avoids 1": rare(1),
    "rare, avoids 1 that pays double": rare(1, 2.0),
    "rare, avoids 4": rare(4),
    "rare, avoids 4 that pay double": rare(4, 2.0),
    "10 %, +10 %, 2,000 rows": benign(2_000),
    "10 %, +10 %, 5,000 rows": benign(5_000),
    "10 %, +10 %, 10,000 rows": benign(10_000),
}
WAYS = ("by the interval alone", "and one more unit", "by bets")


def deploys(world: World, seed: int) -> list[bool]:
    log = world.log(seed)
    found = evaluate(log, QUESTION)
    bets = evaluate(log, replace(QUESTION, interval=Anytime()))
    alone, by_bets = ((each.difference.lower or 0) > 0 for each in (found, bets) if each.difference)
    return [alone, found.verdict.word == "deploy", by_bets]


def test_luck_deploys_no_more_often_than_it_may() -> None:
    table = Table(title=f"% of {LOGS} logs whose verdict is deploy", box=None, pad_edge=False)
    for column in ("world", "truly better by", *WAYS):
        table.add_column(column, justify="left" if column == "world" else "right")
    shares = {}
    for name, world in WORLDS.items():
        found = np.mean([deploys(world, seed) for seed in range(LOGS)], axis=0)
        shares[name] = found
        table.add_row(
            name, f"{100 * world.better / world.pays.mean():+.1f} %", *(f"{100 * s:.1f}" for s in found)
        )
    console = Console(width=160)
    console.print()
    console.print(table)
    for name, world in WORLDS.items():
        if world.better <= 1e-9:
            assert shares[name][1] <= ALPHA + ERROR, name
        else:
            assert shares[name][1] >= shares[name][0] - 0.03, name

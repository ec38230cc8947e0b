"""Templates that are new tonight, under learners that know arms by their features and under one that does
not: 20 shops, the same customers and the same luck under each learner."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.marketing.shop import Learning, Nightly, Shop, at_random, regret

from nightslate.core.policies import LinearThompson
from nightslate.worlds.marketing_templates.population import at_arms
from nightslate.worlds.marketing_templates.templates import LAUNCHED_ON
from nightslate.worlds.marketing_templates.world import World

pytestmark = pytest.mark.timeout(7200)

SHOPS, CUSTOMERS, AT_RANDOM, WEEK = 20, 2_000, 8, 7
FLOOR = 0.01
LEARNERS = {
    "shared": LinearThompson(pooling="shared", ridge=20.0, scale=0.5),
    "hybrid": LinearThompson(pooling="hybrid", ridge=200.0, scale=0.5),
    "disjoint": LinearThompson(pooling="disjoint", ridge=20.0, scale=0.5),
}
LAUNCHES = sorted({int(day) for day in LAUNCHED_ON if day})
FIGURES = ("regret", "where a new one is best", "where a new one is sent")


def test_what_is_lost_in_the_first_week(pool: ProcessPoolExecutor) -> None:
    """The first eight days are sent at random; learners go on from there, each by itself."""
    found = np.array(list(pool.map(lost, range(1, SHOPS + 1))))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("learner")
    for name in (*FIGURES, "less than disjoint", "shops with less"):
        table.add_column(name, justify="right")
    disjoint = found[:, -1, 0]
    for place, name in enumerate(LEARNERS):
        mine = found[:, place]
        less = disjoint - mine[:, 0]
        error = less.std(ddof=1) / math.sqrt(SHOPS)
        compared = (f"{less.mean():+.4f} ± {error:.4f}", f"{(less > 0).sum()} of {SHOPS}")
        table.add_row(
            name, *(f"{each:.4f}" for each in np.nanmean(mine, axis=0)), *(compared if place < 2 else ())
        )
    Console(width=130).print(
        f"\nexpected loss a decision in the {WEEK} days after templates are new (days {LAUNCHES}),"
        f" {SHOPS} shops of {CUSTOMERS:,} customers",
        table,
        highlight=False,
    )
    assert (disjoint - found[:, 0, 0]).mean() > 0


def lost(seed: int) -> list[list[float]]:
    """By learner the figures above."""
    return [lost_by(seed, learner) for learner in LEARNERS.values()]


def lost_by(seed: int, learner: LinearThompson) -> list[float]:
    shop = Shop(World(CUSTOMERS, seed))
    learning, deciding = Learning(shop, learner), Nightly(shop, at_random)
    population, losses = shop.population(deciding), []
    for day in range(max(LAUNCHES) + 1 + WEEK):
        played = population.play(day)
        fresh = (LAUNCHED_ON > 0) & (day > LAUNCHED_ON) & (day <= LAUNCHED_ON + WEEK)
        if fresh.any():
            worth = np.where(played.decisions.eligible, shop.worth(played), -np.inf)
            expected = regret(shop, played, deciding.probabilities)
            of_sent = worth.max(axis=1) - at_arms(worth, played.decisions)
            some = (expected, expected[fresh[worth.argmax(axis=1)]], of_sent[fresh[played.decisions.arm]])
            losses.append([each.mean() if each.size else np.nan for each in some])
        learning.see(played)
        if day >= AT_RANDOM - 1:
            deciding.choose = learning.choice(seed * 1_000 + day, FLOOR)
    return np.nanmean(losses, axis=0).tolist()

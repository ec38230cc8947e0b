"""Effects of experiments whose shares follow the context, over 1,000 small worlds: whether intervals hold.

A treatment helps most users and harms those at risk. Its share ramps up to over a half, is held while a
signal lasts and rolled back once; and who is at risk gets less of it the more it is seen to harm them, so
that probabilities follow what was seen. Later days are better ones, and users at risk do less anyway. Prints
by method the coverage of the interval of one look, how often that of every look was ever wrong, and by how
much effects are off: in their own standard errors, and in those of the mean over worlds."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from tests.benchmarks.coverage.contextual_readouts import ALPHA, Readout, Users, error, misses, of_world, told

from nightslate.core.experiments import Difference
from nightslate.core.experiments.outcome_model import FOLDS

pytestmark = pytest.mark.timeout(7200)

WORLDS, BATCHES = 1_000, 20
RAMP = (0.05, 0.1, 0.2, 0.3, 0.05, 0.3, 0.5, 0.7, 0.05, 0.05, 0.5, 0.6, 0.7, 0.8, 0.8)
"""The share of the treatment by day, rolled back on the fifth; on the ninth and tenth a signal holds it."""
A_DAY, FLOOR, AT_RISK = 400, 0.03, 0.2
BENEFIT, HARM = 0.3, -0.6
OF_ALL = (1 - AT_RISK) * BENEFIT + AT_RISK * HARM
LEVELS = -1.5, 1.5
"""What users count for anyway, on the first day and on the last."""


def test_shares_that_follow_the_context(pool: ProcessPoolExecutor) -> None:
    parts = list(pool.map(worlds, range(BATCHES)))
    size = f"{WORLDS:,} worlds of {len(RAMP)} days of {A_DAY} users"
    title = f"{size}, an effect of {OF_ALL:.2f}, of {HARM} at risk"
    found = told(title, parts[0][0], np.concatenate([rows for _, rows in parts]))
    for name, line in found.items():
        if name == "naive":
            assert line.off > 3
            continue
        assert 0.93 <= line.coverage <= 0.97, name
        assert line.ever <= ALPHA + 2 * error(ALPHA, WORLDS), name
        assert abs(line.off) < 0.2, name


def truths(users: Users, names: Iterable[str]) -> dict[str, float]:
    """What each method is about; of the policy what these users' probabilities are worth over the shares."""
    effects = np.where(users.risk == 1, HARM, BENEFIT)
    policy = float(((users.treated - users.share) * effects).mean())
    return {
        name: policy if name == "policy" else HARM if name.endswith("at risk") else OF_ALL for name in names
    }


def worlds(batch: int) -> tuple[list[str], np.ndarray]:
    """The methods, and of w worlds what `told` tells of (w, M, 4)."""
    rng = np.random.default_rng([16, batch])
    found = [world(rng) for _ in range(WORLDS // BATCHES)]
    return [*found[0]], np.array([[*each.values()] for each in found], dtype=np.float64)


def world(rng: np.random.Generator) -> dict[str, list[float]]:
    """One of them, looked at daily from the fourth day on."""
    day = np.repeat(np.arange(len(RAMP)), A_DAY)
    risk, x = (rng.random(day.size) < AT_RISK).astype(np.int64), rng.normal(size=day.size)
    level = np.linspace(*LEVELS, len(RAMP))[day] - 1.5 * risk + x + rng.normal(size=day.size)
    variant, nothing = np.zeros(day.size, dtype=np.int64), np.zeros(day.size)
    fold, share = rng.integers(0, FOLDS, day.size), np.array(RAMP)[day]
    users = Users(day, fold, variant, nothing.copy(), share, risk, x, nothing.copy())
    ever, found, right = dict[str, bool](), dict[str, Difference](), dict[str, float]()
    for number in range(len(RAMP)):
        today = day == number
        factor = caution(users.at(day < number))[risk[today]]
        users.treated[today] = np.clip(share[today] * factor, FLOOR, 1 - FLOOR)
        users.variant[today] = rng.random(A_DAY) < users.treated[today]
        effects = users.variant * np.where(risk == 1, HARM, BENEFIT)
        users.values[today] = (level + effects)[today]
        if number >= 3:
            so_far = users.at(day <= number)
            found = Readout(so_far).by_method({"at risk": so_far.risk == 1})
            right = truths(so_far, found)
            ever = {name: ever.get(name, False) | misses(each, right[name]) for name, each in found.items()}
    return dict(zip(found, of_world(found, right, ever), strict=True))


def caution(users: Users) -> np.ndarray:
    """(2,) by how much shares of users who are not at risk, and of those who are, are changed by what was
    seen of them before."""
    factors = np.ones(2)
    for group in (0, 1):
        mine = users.at(users.risk == group)
        if len(mine.day) > 50:
            own = np.where(mine.variant == 1, mine.treated, 1 - mine.treated)
            seen = (np.where(mine.variant == 1, 1, -1) * mine.values / own).mean()
            factors[group] = np.clip(1 + seen, 0.1, 1.3)
    return factors

"""Effects of experiments whose shares follow the context, over 1,000 small worlds: whether intervals hold.

A treatment helps most users and harms those at risk. Its share ramps up to over a half, is held while a
signal lasts and rolled back once; and who is at risk gets less of it the more it is seen to harm them, so
that probabilities follow what was seen. Later days are better ones, and users at risk do less anyway. Prints
by method the coverage of the interval of one look, how often that of every look was ever wrong, and by how
much effects are off: in their own standard errors, and in those of the mean over worlds."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from nightslate.core.experiments import (
    DailyShares,
    Difference,
    Moments,
    augmented_difference,
    augmented_scores,
    effect,
    policy_difference,
    value_of,
)
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected

pytestmark = pytest.mark.timeout(7200)

WORLDS, BATCHES, ALPHA = 1_000, 20, 0.05
RAMP = (0.05, 0.1, 0.2, 0.3, 0.05, 0.3, 0.5, 0.7, 0.05, 0.05, 0.5, 0.6, 0.7, 0.8, 0.8)
"""The share of the treatment by day, rolled back on the fifth; on the ninth and tenth a signal holds it."""
A_DAY, FLOOR, AT_RISK = 400, 0.03, 0.2
BENEFIT, HARM = 0.3, -0.6
OF_ALL = (1 - AT_RISK) * BENEFIT + AT_RISK * HARM
LEVELS = -1.5, 1.5
"""What users count for anyway, on the first day and on the last."""
METHODS = (
    "weighted",
    "with covariates",
    "aipw",
    "adaptive",
    "naive",
    "weighted, at risk",
    "aipw, at risk",
    "policy",
)


@dataclass(frozen=True)
class Users:
    """Each (u,): day, fold, variant, the probability of the treatment and its share of the day, whether at
    risk, a covariate and what the user counts for."""

    day: np.ndarray
    fold: np.ndarray
    variant: np.ndarray
    treated: np.ndarray
    share: np.ndarray
    risk: np.ndarray
    x: np.ndarray
    values: np.ndarray

    def at(self, which: np.ndarray) -> Users:
        """Some of them."""
        return Users(*(getattr(self, each.name)[which] for each in fields(self)))


def test_shares_that_follow_the_context(pool: ProcessPoolExecutor) -> None:
    found = np.concatenate(list(pool.map(worlds, range(BATCHES))))
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = ("", "coverage", "ever wrong", "off, in own errors", "of the mean", "spread")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    rates, off = dict[str, tuple[float, float]](), dict[str, tuple[float, float]]()
    for place, name in enumerate(METHODS):
        errors, stderrs, held, ever = found[:, place].T
        rates[name] = float(held.mean()), float(ever.mean())
        off[name] = float((errors / stderrs).mean()), float(errors.mean() / errors.std() * WORLDS**0.5)
        shown = [f"{rate:.1%} +/- {error(rate):.1%}" for rate in rates[name]]
        table.add_row(name, *shown, *(f"{each:+.2f}" for each in off[name]), f"{errors.std():.3f}")
    told = f"{WORLDS:,} worlds of {len(RAMP)} days of {A_DAY} users, an effect of {OF_ALL:.2f}, of {HARM} at risk"
    Console(width=120).print(f"\n{told}", table, highlight=False)
    for name, (coverage, ever) in rates.items():
        if name == "naive":
            assert off[name][0] > 3
            continue
        assert 0.93 <= coverage <= 0.97, name
        assert ever <= ALPHA + 2 * error(ALPHA), name
        assert abs(off[name][0]) < 0.2, name


def truths(users: Users) -> dict[str, float]:
    """What each method is about; of the policy what these users' probabilities are worth over the shares."""
    effects = np.where(users.risk == 1, HARM, BENEFIT)
    policy = float(((users.treated - users.share) * effects).mean())
    return {
        name: policy if name == "policy" else HARM if name.endswith("at risk") else OF_ALL for name in METHODS
    }


def error(rate: float) -> float:
    """The Monte Carlo error of a rate over all worlds."""
    return math.sqrt(rate * (1 - rate) / WORLDS)


def worlds(batch: int) -> np.ndarray:
    """(w, M, 4) by method the error of the effect, its standard error, whether its interval of one look holds
    the truth on the last day, and whether that of every look did not on any."""
    rng = np.random.default_rng([16, batch])
    return np.array([world(rng) for _ in range(WORLDS // BATCHES)], dtype=np.float64)


def world(rng: np.random.Generator) -> list[list[float]]:
    """One of them, looked at daily from the fourth day on."""
    day = np.repeat(np.arange(len(RAMP)), A_DAY)
    risk, x = (rng.random(day.size) < AT_RISK).astype(np.int64), rng.normal(size=day.size)
    level = np.linspace(*LEVELS, len(RAMP))[day] - 1.5 * risk + x + rng.normal(size=day.size)
    variant, nothing = np.zeros(day.size, dtype=np.int64), np.zeros(day.size)
    fold, share = rng.integers(0, FOLDS, day.size), np.array(RAMP)[day]
    users = Users(day, fold, variant, nothing.copy(), share, risk, x, nothing.copy())
    ever, found, right = dict.fromkeys(METHODS, False), dict[str, Difference](), dict[str, float]()
    for number in range(len(RAMP)):
        today = day == number
        factor = caution(users.at(day < number))[risk[today]]
        users.treated[today] = np.clip(share[today] * factor, FLOOR, 1 - FLOOR)
        users.variant[today] = rng.random(A_DAY) < users.treated[today]
        effects = users.variant * np.where(risk == 1, HARM, BENEFIT)
        users.values[today] = (level + effects)[today]
        if number >= 3:
            so_far = users.at(day <= number)
            found, right = by_method(so_far), truths(so_far)
            for name, each in found.items():
                holds = each.log_e is None or each.anytime_lower <= right[name] <= each.anytime_upper
                ever[name] |= not holds
    return [
        [each.effect - right[name], each.stderr, each.lower <= right[name] <= each.upper, ever[name]]
        for name, each in found.items()
    ]


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


def by_method(users: Users) -> dict[str, Difference]:
    """The effects of users so far, as a night tells them."""
    day, fold, variant = users.day, users.fold, users.variant
    n, days, x = len(day), int(day.max()) + 1, np.stack([users.risk, users.x], axis=1)
    probabilities = np.stack([1 - users.treated, users.treated], axis=1)
    own, ones, at_risk = probabilities[np.arange(n), variant], np.ones(n), users.risk == 1
    parts = np.stack([users.values, ones], axis=1)
    known = np.column_stack([parts, users.risk, ones, users.x, ones])
    nobody = Moments.initial((2,), 6)
    weighted, plain = nobody.update(variant, known / own[:, None]), nobody.update(variant, known)
    told = effect(weighted.cell(0), weighted.cell(1), 1 - ALPHA, plain.pooled(0))
    some = Moments.initial((2,), 2).update(variant[at_risk], (parts / own[:, None])[at_risk])
    models = OutcomeModels.of(OutcomeSums.initial(days, 2, 2).update(day, fold, variant, own, x, parts))
    shares = DailyShares.of(day, probabilities, days)

    def scored(fits: np.ndarray, cell: np.ndarray) -> np.ndarray:
        return augmented_scores(expected(fits, cell, x), variant, own, parts).reshape(-1, 4)

    def augmented(scores: np.ndarray, of_day: np.ndarray, h: np.ndarray, by_weight: Moments) -> Difference:
        moments = Moments.initial((len(h),), 4).update(of_day, scores)
        arms = (value_of(by_weight.cell(place)) for place in (0, 1))
        return augmented_difference(moments, h, *arms, 1 - ALPHA)

    everybody = Moments.initial((1,), 2).update(np.zeros_like(day), parts / own[:, None]).cell(0)
    of_day = np.stack([1 - users.share, users.share], axis=1)

    def of_policies(scores: np.ndarray) -> Moments:
        both = [np.einsum("uk,ukp->up", each, scores.reshape(-1, 2, 2)) for each in (of_day, probabilities)]
        return Moments.initial((1,), 4).update(np.zeros_like(day), np.hstack(both))

    crossfitted, one_day, even = scored(models.crossfitted, fold), np.zeros_like(day), np.ones(1)
    sequential = scored(models.sequential.reshape(-1, *models.sequential.shape[2:]), day * FOLDS + fold)
    found = (
        told.difference,
        told.most_precise,
        augmented(crossfitted, one_day, even, weighted),
        augmented(sequential, day, shares.weights(0, 1), weighted),
        effect(plain.cell(0), plain.cell(1), 1 - ALPHA).difference,
        effect(some.cell(0), some.cell(1), 1 - ALPHA).difference,
        augmented(crossfitted[at_risk], one_day[at_risk], even, some),
        policy_difference(of_policies(crossfitted), value_of(everybody), 1 - ALPHA),
    )
    return dict(zip(METHODS, found, strict=True))

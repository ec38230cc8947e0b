"""What readouts promise, over 2,000 simulated experiments each: nightly looks stopped at the worst moment
keep the stated error, covariates take off the variance that their correlation predicts, intervals hold where
shares move by context, and a loss of exposures is found, with few false alarms.

The Monte Carlo error of a rate of 5 % is 0.5 points."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from nightslate.core.experiments import (
    DailyShares,
    Effect,
    Moments,
    SampleRatio,
    adaptive_difference,
    anytime_p_value,
    effect,
    located,
)

pytestmark = pytest.mark.timeout(7200)

EXPERIMENTS, FEWER, ALPHA = 2_000, 400, 0.05
ERROR = 3 * math.sqrt(ALPHA * (1 - ALPHA) / EXPERIMENTS)
NIGHTS, A_NIGHT, LOOKS = 100, 200, 200
METRICS = ("normal", "purchases", "revenue")
RAMPS = (0.01, 0.5, 0.05, 0.7), (0.3, 0.2, 0.4, 0.2)
BATCHES = 20
DAYS, A_DAY = 30, 400


def test_nightly_looks_stopped_at_the_worst_moment(pool: ProcessPoolExecutor) -> None:
    """No effect; a variant gets 1/2 or 1/10 of users."""
    table = table_of(
        "metric", "share", "every look wrong once", "with a covariate", "one look, looked at nightly"
    )
    worst = 0.0
    for metric in METRICS:
        for share in (0.5, 0.1):
            wrong = np.concatenate(list(pool.map(partial(wrong_once, metric, share), range(BATCHES))))
            rates = wrong.mean(axis=0)
            table.add_row(metric, f"{share}", *(f"{rate:.1%}" for rate in rates))
            worst = max(worst, *rates[:2].tolist())
    show(
        f"{NIGHTS} nights of {A_NIGHT} users, {EXPERIMENTS:,} experiments without an effect, {ALPHA:.0%}",
        table,
    )
    assert worst <= ALPHA + ERROR


def test_covariates_take_off_what_their_correlation_predicts(pool: ProcessPoolExecutor) -> None:
    table = table_of("correlation", "variance left", "1 - correlation**2", "coverage")
    for correlation in (0.0, 0.5, 0.9):
        found = np.concatenate(list(pool.map(partial(with_covariate, correlation), range(BATCHES))))
        left = float(found[:, 1].var() / found[:, 0].var())
        table.add_row(
            f"{correlation}", f"{left:.3f}", f"{1 - correlation**2:.3f}", f"{found[:, 2].mean():.1%}"
        )
        # the ratio of two variances that are estimated from so many experiments
        assert left == pytest.approx(1 - correlation**2, rel=6 * math.sqrt(2 / EXPERIMENTS))
        assert abs(found[:, 2].mean() - (1 - ALPHA)) <= ERROR + 0.01
    show(f"{EXPERIMENTS:,} experiments of 1,000 users", table)


def test_shares_that_move_by_context(pool: ProcessPoolExecutor) -> None:
    """1, 50, 5 and 70 % of the users of one context get the treatment, week by week, and other shares of
    those of the other, which become more."""
    found = np.concatenate(list(pool.map(ramped, range(BATCHES))))
    table = table_of("", "coverage", "bias in standard errors")
    names = ("weighted", "weighted, with a covariate", "not weighted")
    coverage, bias = found[:, :3].mean(axis=0), found[:, 3:].mean(axis=0)
    for name, held, off in zip(names, coverage.tolist(), bias.tolist(), strict=True):
        table.add_row(name, f"{held:.1%}", f"{off:+.2f}")
    show(
        f"{EXPERIMENTS:,} experiments of 8,000 users, weekly shares {RAMPS[0]} and {RAMPS[1]} by context",
        table,
    )
    assert ((coverage[:2] >= 0.93) & (coverage[:2] <= 0.97)).all()
    assert coverage[2] < 0.8


@pytest.mark.parametrize("truth", [0.0, 0.1])
def test_shares_that_follow_what_was_seen(pool: ProcessPoolExecutor, truth: float) -> None:
    """Each day whichever variant is ahead gets all users but a few; days differ, too."""
    found = np.concatenate(list(pool.map(partial(followed, truth), range(BATCHES))))
    table = table_of("", "coverage", "bias in its spread", "spread", "ever wrong, looked at daily")
    for place, name in enumerate(("days by what they tell", "weighted", "not weighted")):
        effects, held, ever = found[:, 3 * place : 3 * place + 3].T
        off = (effects.mean() - truth) / effects.std()
        table.add_row(name, f"{held.mean():.1%}", f"{off:+.2f}", f"{effects.std():.3f}", f"{ever.mean():.1%}")
    show(
        f"{EXPERIMENTS:,} experiments of {DAYS} days of {A_DAY} users, an effect of {truth}; whichever"
        f" variant is behind gets 1 / (2 n) of them on day n",
        table,
    )
    assert 0.93 <= found[:, 1].mean() <= 0.97
    assert found[:, 2].mean() <= ALPHA + ERROR


def test_lost_exposures(pool: ProcessPoolExecutor) -> None:
    """At 50/50 by 200 nightly looks, of ten segments."""
    table = table_of("users", "of the treatment lost", "alarms", "in the right segment")
    for users, lost, everywhere in (  # without a loss the rate is small, and has to be known well
        (40_000, 0.0, True),
        (600_000, 0.0, True),
        (40_000, 0.05, True),
        (600_000, 0.01, True),
        (1_200_000, 0.01, True),
        (600_000, 0.05, False),
    ):
        found = np.concatenate(list(pool.map(partial(alarms, users, lost, everywhere), range(BATCHES))))
        where = "" if everywhere or not lost else f"{found[found[:, 0] > 0, 1].mean():.1%}"
        what = f"{lost:.0%}" if everywhere else f"{lost:.0%} of one segment"
        table.add_row(f"{users:,}", what, f"{found[:, 0].mean():.1%}", where)
        if not lost:
            assert found[:, 0].mean() <= ALPHA + ERROR
    show(f"{EXPERIMENTS:,} experiments, {FEWER} with a loss, {LOOKS} looks, alarms at {ALPHA:.0%}", table)


def wrong_once(metric: str, share: float, batch: int) -> np.ndarray:
    """(e, 3) whether any look of an experiment excludes the truth: by the interval of every look, the same
    with a covariate, and the interval of one look."""
    experiments, rng = (
        EXPERIMENTS // BATCHES,
        np.random.default_rng([7, METRICS.index(metric), int(10 * share), batch]),
    )
    state = Moments.initial((experiments, 2), 4)
    wrong = np.zeros((experiments, 3), dtype=np.bool_)
    for _ in range(NIGHTS):
        variant = (rng.random((experiments, A_NIGHT)) < share).astype(np.int64)
        before = rng.normal(size=variant.shape)
        values, one = drawn(metric, before, rng), np.ones(variant.shape)
        cell = 2 * np.arange(experiments)[:, None] + variant
        columns = np.stack([values, one, before, one], axis=-1).reshape(-1, 4)
        state = state.update(cell.ravel(), columns)
        for place in range(experiments):
            wrong[place] |= excludes_zero(effect(state.cell(place, 0), state.cell(place, 1), 1 - ALPHA))
    return wrong


def drawn(metric: str, before: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values of users, some of what they will do being known before."""
    if metric == "normal":
        return before + rng.normal(size=before.shape)
    bought = rng.random(before.shape) < 0.1 / (1 + np.exp(-before))
    return bought * (rng.lognormal(3, 1, before.shape) if metric == "revenue" else 1.0)


def excludes_zero(found: Effect) -> list[bool]:
    cuped = found.cuped
    ends = [(found.difference.anytime_lower, found.difference.anytime_upper)]
    ends.append((cuped.anytime_lower, cuped.anytime_upper) if cuped else (None, None))
    ends.append((found.difference.lower, found.difference.upper))
    return [low is not None and high is not None and not low <= 0 <= high for low, high in ends]


def with_covariate(correlation: float, batch: int) -> np.ndarray:
    """(e, 3) the effect, with a covariate, and whether its interval of one look holds the truth."""
    rng = np.random.default_rng([8, int(10 * correlation), batch])
    found = []
    for _ in range(EXPERIMENTS // BATCHES):
        variant, before = rng.integers(0, 2, 1_000), rng.normal(size=1_000)
        noise = rng.normal(size=1_000)
        values = correlation * before + math.sqrt(1 - correlation**2) * noise + 0.1 * variant
        one = np.ones(1_000)
        state = Moments.initial((2,), 4).update(variant, np.stack([values, one, before, one], axis=-1))
        each = effect(state.cell(0), state.cell(1), 1 - ALPHA)
        cuped = each.most_precise
        found.append([each.difference.effect, cuped.effect, cuped.lower <= 0.1 <= cuped.upper])
    return np.array(found, dtype=np.float64)


def ramped(batch: int) -> np.ndarray:
    """(e, 6) whether each interval of one look holds the truth, and how many standard errors the effect is
    off."""
    rng, users, truth = np.random.default_rng([9, batch]), 8_000, 0.3
    week = np.arange(users) * len(RAMPS[0]) // users
    found = []
    for _ in range(EXPERIMENTS // BATCHES):
        context = (rng.random(users) < 0.2 + 0.2 * week).astype(np.int64)
        shares = np.array(RAMPS)[context, week]
        variant = (rng.random(users) < shares).astype(np.int64)
        before = rng.normal(size=users)
        values = 2.0 * context + before + rng.normal(size=users) + truth * variant
        one, weights = np.ones(users), 1 / np.where(variant == 1, shares, 1 - shares)
        columns = np.stack([values, one, before, one], axis=-1)
        weighted = Moments.initial((2,), 4).update(variant, columns * weights[:, None])
        plain = Moments.initial((2,), 4).update(variant, columns)
        by_weight = effect(weighted.cell(0), weighted.cell(1), 1 - ALPHA, plain.pooled(0))
        naive = effect(plain.cell(0), plain.cell(1), 1 - ALPHA)
        each = [by_weight.difference, by_weight.most_precise, naive.difference]
        held = [one.lower <= truth <= one.upper for one in each]
        found.append([*held, *((one.effect - truth) / one.stderr for one in each)])
    return np.array(found, dtype=np.float64)


def followed(truth: float, batch: int) -> np.ndarray:
    """(e, 9) by three methods the effect, whether its interval of one look holds the truth, and whether that
    of every look ever did not."""
    rng = np.random.default_rng([11, int(10 * truth), batch])
    found = []
    for _ in range(EXPERIMENTS // BATCHES):
        daily, own, plain = Moments.initial((DAYS, 2), 3), Moments.initial((2,), 2), Moments.initial((2,), 2)
        shares = DailyShares(np.zeros(DAYS, dtype=np.int64), np.zeros((DAYS, 2)))
        share, ever = 0.5, np.zeros(3, dtype=np.bool_)
        for day in range(DAYS):
            variant = (rng.random(A_DAY) < share).astype(np.int64)
            probabilities = np.tile([1 - share, share], (A_DAY, 1))
            values = rng.normal(size=A_DAY) + truth * variant + rng.normal()
            weights = 1 / probabilities[np.arange(A_DAY), variant]
            columns = np.stack([values, np.ones(A_DAY), np.ones(A_DAY)], axis=1)
            weighted = columns * weights[:, None]
            daily = daily.update(2 * day + variant, weighted)
            shares = shares.merge(DailyShares.of(np.full(A_DAY, day), probabilities, DAYS))
            own, plain = own.update(variant, weighted[:, :2]), plain.update(variant, columns[:, :2])
            each = [
                adaptive_difference(daily, shares, 0, 1, 1 - ALPHA),
                effect(own.cell(0), own.cell(1), 1 - ALPHA).difference,
                effect(plain.cell(0), plain.cell(1), 1 - ALPHA).difference,
            ]
            ever |= [
                one.log_e is not None and not one.anytime_lower <= truth <= one.anytime_upper for one in each
            ]
            behind = 0.5 / (2 + day)
            share = behind if each[0].effect < 0 else 1 - behind
        held = [one.lower <= truth <= one.upper for one in each]
        found.append(
            [
                each[0].effect,
                held[0],
                ever[0],
                each[1].effect,
                held[1],
                ever[1],
                each[2].effect,
                held[2],
                ever[2],
            ]
        )
    return np.array(found, dtype=np.float64)


def alarms(users: int, lost: float, everywhere: bool, batch: int) -> np.ndarray:
    """(e, 2) whether there was an alarm at any look, and whether it names the segment, the first of ten."""
    rng, segments = np.random.default_rng([10, users, int(100 * lost), everywhere, batch]), 10
    kept = np.ones((segments, 2))
    kept[:, 1] -= lost if everywhere else lost * (np.arange(segments) == 0)
    found = []
    for _ in range((FEWER if lost else EXPERIMENTS) // BATCHES):
        seen = rng.poisson(users / LOOKS / segments / 2 * kept, (LOOKS, segments, 2))
        ratio = SampleRatio.of_shares(seen, np.array([0.5, 0.5]))
        found.append([anytime_p_value(ratio) < ALPHA, located(ratio).segment == 0])
    return np.array(found, dtype=np.float64)


def table_of(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def show(title: str, table: Table) -> None:
    Console(width=120).print(f"\n{title}", table, highlight=False)

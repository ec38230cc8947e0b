"""How often a gate promotes what is not better, and how soon what is, over 300 worlds of 200 nights each.

Beside betting stands the gate before it, which spent alpha over looks. Prints Monte Carlo errors: of a share
its standard error, of a median the medians that are as likely as one standard error off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.gate.gates import (
    ALPHA,
    Ending,
    endings,
    endings_where_others_logged,
)
from tests.benchmarks.gate.worlds import NIGHTS, NOTHING_IS_BETTER, OTHERS_LOGGED, TEN_PERCENT

pytestmark = pytest.mark.timeout(3600)

WORLDS = 300
MOST_FALSE = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)
SOON = 30
"""Nights until +10 % is promoted, where there is somebody every night and nothing to be learnt first."""

AT_ONCE = ("benign", "benign, known at once", "rare", "heavy users")


def test_what_is_not_better_is_promoted_as_rarely_as_alpha_says(pool: ProcessPoolExecutor) -> None:
    table = made(
        f"% of {WORLDS} worlds with a false promotion in {NIGHTS} nights, alpha {ALPHA:.0%}",
        ("world", "betting", "the policy itself", "alpha over looks", "the policy itself"),
    )
    too_many = []
    for name in NOTHING_IS_BETTER:
        by_gate = in_all_worlds(pool, partial(endings, name))
        table.add_row(name, *(cell for gate in by_gate for cell in (false(gate), not_better(gate))))
        too_many += [name] if share(by_gate[0], is_false) > MOST_FALSE else []
    show(
        table,
        "a false promotion: no policy that any challenger ever was is better by the margin.",
        "the policy itself: the very one that was promoted is not better.",
    )
    assert not too_many


def test_what_is_better_is_promoted_soon(pool: ProcessPoolExecutor) -> None:
    table = made(
        f"+10 %: the median night of promotion (% promoted in {NIGHTS} nights), {WORLDS} worlds",
        ("world", "betting", "not better itself", "alpha over looks", "not better itself"),
    )
    medians = {}
    for name in TEN_PERCENT:
        by_gate = in_all_worlds(pool, partial(endings, name))
        table.add_row(name, *(cell for gate in by_gate for cell in (when(gate), not_better(gate))))
        medians[name] = [median(gate) for gate in by_gate]
    show(table, "nights count from the first mature one.")
    assert all(betting <= looks for betting, looks in medians.values())
    assert all(medians[name][0] <= SOON for name in AT_ONCE)


def test_a_bound_of_weights_saves_nights_where_the_champion_did_not_log(pool: ProcessPoolExecutor) -> None:
    table = made(
        f"the champion did not log: the median night of promotion (% in {NIGHTS} nights), {WORLDS} worlds",
        ("rewards", "betting, no bound", "betting, weights bounded", "alpha over looks"),
    )
    medians = {}
    for name in OTHERS_LOGGED:
        by_gate = in_all_worlds(pool, partial(endings_where_others_logged, name))
        table.add_row(name, *map(when, by_gate))
        medians[name] = [median(gate) for gate in by_gate]
        if "equal" in name:
            assert max(share(gate, is_false) for gate in by_gate[:2]) <= MOST_FALSE
    show(table, "the bound: a log that shows all of 5 arms alike gives no weight over 5.")
    assert all(bounded <= free for free, bounded, _ in medians.values())


def in_all_worlds(
    pool: ProcessPoolExecutor, played: Callable[[int], tuple[Ending, ...]]
) -> list[Sequence[Ending]]:
    """What each gate did in each world."""
    return list(zip(*pool.map(played, range(WORLDS), chunksize=10), strict=True))


def share(gate: Sequence[Ending], of: Callable[[Ending], bool]) -> float:
    return float(np.mean([of(ending) for ending in gate]))


def is_false(ending: Ending) -> bool:
    return ending.night is not None and not ending.any_was_better


def is_not_better(ending: Ending) -> bool:
    return ending.night is not None and not ending.policy_is_better


def percent(part: float) -> str:
    return f"{100 * part:.1f} ({100 * math.sqrt(part * (1 - part) / WORLDS):.1f})"


def false(gate: Sequence[Ending]) -> str:
    part = share(gate, is_false)
    return f"{'!' if part > MOST_FALSE else ''}{percent(part)}"


def not_better(gate: Sequence[Ending]) -> str:
    return percent(share(gate, is_not_better))


def nights(gate: Sequence[Ending]) -> list[float]:
    """Of the promotions, in order; infinite where there was none."""
    return sorted(math.inf if ending.night is None else float(ending.night) for ending in gate)


def median(gate: Sequence[Ending]) -> float:
    return float(np.median(nights(gate)))


def when(gate: Sequence[Ending]) -> str:
    """The median, from and to those of the ranks one standard error off, and how many there were at all."""
    ordered, error = nights(gate), math.sqrt(WORLDS) / 2
    low, high = (ordered[round(WORLDS / 2 + sign * error)] for sign in (-1, 1))
    known = 100 * float(np.mean(np.isfinite(ordered)))
    return f"{night(median(gate))} [{night(low)} to {night(high)}] ({known:.0f} %)"


def night(number: float) -> str:
    return f"{number:.4g}" if math.isfinite(number) else "none"


def made(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def show(table: Table, *notes: str) -> None:
    console = Console(width=160)
    console.print()
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)

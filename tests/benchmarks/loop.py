"""Worlds of many seeds played to the end, and what the gate did in each: `python tests/benchmarks/loop.py`.

Each seed is a process and a warehouse of its own, which is removed once its figures are read. Nothing is
evaluated before the 15th night, for nobody knows until then how late tasks come. Progressively, a day counts
two weeks later, once its whole window is over, so up to the 29th night that is about policies which had
nothing to learn from. With the defaults a seed takes some minutes; figures are kept in HOME as they come, and
seeds that have theirs are not played again while the program, and what is told of a simulation, stay as they
are."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nightslate.reports.estimands import ESTIMANDS
from nightslate.worlds import results as simulation

DAGS = Path(__file__).parents[2] / "dags"


def main() -> None:
    """A line for each seed, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="onboarding_401k")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--home", type=Path, default=Path(".cache/bench/loop"))
    given = parser.parse_args()
    print(
        "seed  lift (interval)           reached  promoted  worse in truth  held truth: progressive"
        "  cross-fitted",
        flush=True,
    )
    told = []
    for seed in range(1, given.seeds + 1):
        told.append(figures(given.world, seed, given.days, given.users, given.home))
        print(line(told[-1]), flush=True)
    print(totals(told))


def figures(world: str, seed: int, days: int, users: int, home: Path) -> dict[str, Any]:
    """What the simulation of a seed found; played if it was not yet."""
    played_by = (DAGS / f"{world}.yaml", Path(simulation.__file__))
    edition = hashlib.sha256(b"".join(file.read_bytes() for file in played_by)).hexdigest()[:8]
    kept, warehouse = home / f"{days}-{users}-{edition}-{seed}.json", home / f"warehouse-{seed}"
    if not kept.is_file():
        shutil.rmtree(warehouse, ignore_errors=True)
        settings = {"--days": days, "--users": users, "--seed": seed, "--home": warehouse}
        command = [sys.executable, "-m", "nightslate.cli", "simulate", world]
        command += [str(part) for setting in settings.items() for part in setting]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"seed {seed}: {done.stderr[-2000:]}")
        shutil.copy(warehouse / "reports" / world / "simulation.json", kept)
        shutil.rmtree(warehouse)
    found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return found


def line(told: dict[str, Any]) -> str:
    """One seed."""
    lift = told["lift"]
    progressive, cross_fitted = ("{} of {}".format(*told["covered_truth"][of]) for of in ESTIMANDS)
    earned = f"{lift['value']:+.0%} ({lift['lower']:+.0%} to {lift['upper']:+.0%})" if lift else "nothing"
    return (
        f"{told['seed']:>4}  {earned:<24}  {told['reached']:>6.0%}  {told['promotions']:>8}"
        f"  {told['wrong_promotions']:>14}  {progressive:>23}  {cross_fitted:>12}"
    )


def totals(told: list[dict[str, Any]]) -> str:
    """All seeds together."""
    promoted, wrong = (sum(one[name] for one in told) for name in ("promotions", "wrong_promotions"))
    reached = sorted(one["reached"] for one in told)
    return (
        f"{len(told)} seeds: {promoted} promotions, {wrong} of a policy that is worse in truth;"
        f" {'; '.join(f'{of}: {coverage(told, of)}' for of in ESTIMANDS)};"
        f" {reached[0]:.0%} to {reached[-1]:.0%} of the lift, median {reached[len(reached) // 2]:.0%}"
    )


def coverage(told: list[dict[str, Any]], estimand: str) -> str:
    """How many intervals of an estimand held the truth, of all seeds."""
    held, judged = ([one["covered_truth"][estimand][place] for one in told] for place in (0, 1))
    if not sum(judged):
        return "no interval was judged"
    share, stderr = share_by_seed(held, judged)
    error = (
        ", no error known: worlds do not differ"
        if stderr is None
        else f" ± {100 * stderr:.1f} %, clustered by seed"
    )
    return f"intervals held the truth in {sum(held)} of {sum(judged)} ({100 * share:.1f} %{error})"


def share_by_seed(held: Sequence[int], judged: Sequence[int]) -> tuple[float, float | None]:
    """The share of what was judged that held, and its standard error with seeds as clusters: nights of one
    world look at mostly the same logs and are wrong together. The linearised error of a ratio of sums over
    clusters (Cochran, 1977); None where no two worlds differ, for no variation is no certainty."""
    of_seeds, sizes = np.asarray(held, dtype=np.float64), np.asarray(judged, dtype=np.float64)
    share = of_seeds.sum() / sizes.sum()
    residuals = of_seeds - share * sizes
    if np.allclose(residuals, 0.0, atol=1e-9):
        return float(share), None
    seeds = len(sizes)
    return float(share), float(np.sqrt(seeds / (seeds - 1) * (residuals**2).sum()) / sizes.sum())


if __name__ == "__main__":
    main()

"""Rollouts of many seeds played to the end, and whom each harmed: `python tests/benchmarks/rollout_loop.py`.

As `loop.py`, of the world whose shares follow the context: harm and information beside a test with fixed
shares, the bias of a naive difference, whether intervals held the truth and the decision was right, and how
soon signals were followed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from loop import figures, share_by_seed

METHODS = ("aipw", "adaptive")


def main() -> None:
    """A line for each seed, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--users", type=int, default=3000)
    parser.add_argument("--home", type=Path, default=Path(".cache/bench/rollouts"))
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    print(
        f"seed  harm  information ({', '.join(METHODS)})  naive off by  decision  reactions",
        flush=True,
    )
    told = []
    for seed in range(1, given.seeds + 1):
        told.append(figures("rollout_allocation", seed, given.days, given.users, given.home))
        print(line(told[-1]), flush=True)
    print(totals(told))


def line(told: dict[str, Any]) -> str:
    """One seed."""
    information = " ".join(f"{share:6.0%}" for share in informations(told))
    bias, verdict = told["naive_bias"][told["decided_by"]], told["verdict"]
    said = f"{verdict['decision']}, {'right' if verdict['right'] else 'wrong'}"
    reactions = ", ".join("never" if days is None else f"{days} d" for days in reacted(told))
    begins = f"{told['seed']:>4} {told['harm_at_risk']:5.0%}  {information:<28} {bias:>+11.1f}"
    return f"{begins}  {said}  {reactions}"


def totals(told: list[dict[str, Any]]) -> str:
    """All seeds together."""
    harm = np.array([one["harm_at_risk"] for one in told])
    reactions = [days for one in told for days in reacted(one)]
    right = sum(bool(one["verdict"]["right"]) for one in told)
    ships_harm = sum(one["verdict"]["decision"] == "ship" and not one["verdict"]["right"] for one in told)
    by_method = zip(METHODS, np.median([informations(one) for one in told], axis=0), strict=True)
    parts = [
        f"{len(told)} seeds: harm {np.median(harm):.0%} of the fixed test's, {harm.max():.0%} at most",
        *(f"information by {method} {share:.0%} (median)" for method, share in by_method),
        *(coverage(told, method, overall) for method in METHODS for overall in (True, False)),
        f"decisions right in {right}, {ships_harm} ship harm",
        f"{sum(days == 0 for days in reactions)} of {len(reactions)} signals followed at the next night",
    ]
    return ";\n".join(parts)


def informations(told: dict[str, Any]) -> list[float]:
    """By method, 1 / variance as a share of the fixed test's, of the metric that is decided by."""
    found = {row["method"]: row["share"] for row in told["precision"] if row["metric"] == told["decided_by"]}
    return [found.get(method, np.nan) for method in METHODS]


def reacted(told: dict[str, Any]) -> list[int | None]:
    """Of incidents that struck while anybody was treated there, days until shares fell."""
    return [row["reacted_after"] for row in told["reactions"] if row["before"]]


def coverage(told: list[dict[str, Any]], method: str, overall: bool) -> str:
    """Of intervals for one look, how many held the truth, with seeds as clusters."""
    rows = [
        row
        for one in told
        for row in one["coverage"]
        if (row["method"], row["overall"]) == (method, overall) and row["judged"]
    ]
    share, stderr = share_by_seed(*([row[name] for row in rows] for name in ("held", "judged")))
    error = "" if stderr is None else f" ± {100 * stderr:.1f} %"
    return f"{method}, {'all users' if overall else 'segments'}: held the truth in {100 * share:.1f} %{error}"


if __name__ == "__main__":
    main()

"""The same users give the same effects as tea-tasting, statsmodels and spotify-confidence where the method is
the same: means and ratios, with covariates and without, weighed, clustered by user, and adjusted by Holm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.peers import ask, peer_python

from nightslate.errors import MachineError
from nightslate.files.readout.as_json import as_json
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.readout import readout

USERS, VARIANTS = 3_000, ("control", "one", "two")
TOLERANCE = 1e-8
SIDE = Path(__file__).parents[1] / "readout_side"


@pytest.mark.parametrize("peer", ["tea_tasting", "spotify_confidence"])
def test_the_same_users_give_the_same_effects(peer: str, tmp_path: Path) -> None:
    console = Console(width=110)
    rows = rows_of_users(np.random.default_rng(0))
    users = rows if peer == "tea_tasting" else totals(rows)
    try:
        theirs = ask(peer_python(peer), SIDE / f"{peer}_values.py", users)
    except MachineError as error:
        console.print(f"\nSame effects as {peer}: not compared. {error}", highlight=False)
        return
    ours = effects(rows, tmp_path)

    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "figure", "nightslate", "peer", "apart by"):
        table.add_column(column, justify="left" if column in ("", "figure") else "right")
    furthest = 0.0
    for name, figures in theirs.items():
        method, treatment = name.split(" ", 1)[1].rsplit(" ", 1)
        for figure, value in figures.items():
            own = ours[method, VARIANTS[int(treatment)]][figure]
            table.add_row(name, figure, f"{own:.10f}", f"{value:.10f}", f"{abs(own - value):.0e}")
            furthest = max(furthest, abs(own - value))
    console.print(f"\nthe same {USERS:,} users in {len(rows['user']):,} rows", table, highlight=False)
    assert furthest <= TOLERANCE


def rows_of_users(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One to three rows of each user, whose variant had a probability of its own."""
    probability = rng.choice([0.2, 0.3, 0.5], USERS)
    variant = rng.integers(0, len(VARIANTS), USERS)
    user = np.repeat(np.arange(USERS), rng.integers(1, 4, USERS))
    n = user.size
    before = rng.gamma(2.0, 3.0, USERS)[user] + rng.normal(size=n)
    impressions, impressions_before = rng.poisson(8, n) + 1, rng.poisson(8, n) + 1
    taste = rng.beta(2, 18, USERS)[user]
    return {
        "user": user,
        "variant": variant[user],
        "probability": probability[user],
        "before": before,
        "value": before + 0.4 * variant[user] + rng.normal(0, 2, n),
        "impressions": impressions.astype(np.float64),
        "impressions_before": impressions_before.astype(np.float64),
        "clicks": rng.binomial(impressions, taste).astype(np.float64),
        "clicks_before": rng.binomial(impressions_before, taste).astype(np.float64),
    }


def totals(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A row a user, of sums."""
    _, first = np.unique(rows["user"], return_index=True)
    sums = {name: np.bincount(rows["user"], column) for name, column in rows.items()}
    return sums | {name: rows[name][first] for name in ("user", "variant", "probability")}


def effects(rows: dict[str, np.ndarray], folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Ours, by method and treatment."""
    of_users = figures(
        totals(rows),
        folder / "users.parquet",
        metrics=["value", "clicks/impressions"],
        covariates=["value=before", "clicks/impressions=clicks_before/impressions_before"],
    )
    weighed = figures(totals(rows), folder / "users.parquet", metrics=["value"], probability="probability")
    clustered = figures(rows, folder / "rows.parquet", metrics=["value"])
    # Holm's adjustment is of all questions of a readout: those of the mean alone are asked by themselves
    mean = figures(totals(rows), folder / "users.parquet", metrics=["value"])
    found = {}
    for variant in VARIANTS[1:]:
        for name, metric in (("mean", "value"), ("ratio", "clicks/impressions")):
            of_metric = of_users[metric][variant]
            found[name, variant] = mean["value"][variant] if name == "mean" else of_metric
            found[f"{name}_cuped", variant] = {
                figure: of_metric[f"cuped_{figure}"] for figure in ("effect", "lower", "upper", "p")
            }
        found["weighed", variant] = weighed["value"][variant]
        found["clustered", variant] = clustered["value"][variant]
    return found


def figures(rows: dict[str, np.ndarray], path: Path, **asked: Any) -> dict[str, Any]:
    """What `nightslate readout --json` says of them."""
    named = rows | {"variant": np.array(VARIANTS)[rows["variant"]]}
    pq.write_table(pa.table(named), path)
    options = ReadoutOptions.of(control="control", user="user", **asked)
    metrics: dict[str, Any] = as_json(readout(path, options, None, lambda *_: None))["metrics"]
    return metrics

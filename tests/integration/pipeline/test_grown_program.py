"""A program that declares one more column of contexts keeps its history: older rows have nulls there."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step

from . import world

DAY = world.DAYS[2]


def test_one_more_context_column_needs_no_backfill(
    copied: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied()
    (tmp_path / "grown").mkdir()
    grown = world.SPEC.replace(
        "- {name: age, type: number}", "- {name: age, type: number}\n    - {name: visits, type: number}"
    )
    (tmp_path / "grown" / "tiny.yaml").write_text(grown)
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path / "grown"))
    monkeypatch.setenv("NIGHTSLATE_HOME", str(home))
    (file,) = (home / "landing/tiny/impressions" / f"ds={DAY}").glob("*.parquet")
    shown = pyarrow.parquet.read_table(file)
    pyarrow.parquet.write_table(shown.append_column("visits", [[3.0] * len(shown)]), file)

    night = Night.named("tiny", str(DAY))
    for step in ("ingest", "attribute", "train"):
        run_step(step, night)

    impressions = DeltaTable(home / "tables/tiny/impressions")
    visits = impressions.to_pyarrow_table().group_by("ds").aggregate([("visits", "sum")]).sort_by("ds")
    assert visits["visits_sum"].to_pylist() == [None, None, 3.0 * len(shown)]
    stored = impressions.metadata().configuration
    assert stored["delta.constraints.visits_is_finite"] == "visits IS NULL OR NOT isnan(visits * 0)"
    assert night.of_issue("all").run().run.data.params["features"] == "5"

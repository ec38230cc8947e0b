"""Commands on real tables: what a rollback does to a day is told."""

from datetime import date
from pathlib import Path

import pytest
from tests.integration.pipeline import world
from tests.integration.tables.rows import rows

from nightslate.cli.tables import rollback
from nightslate.errors import SpecError
from nightslate.pipeline.night import Night

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    world.write_program(tmp_path)
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path))
    return world.night(tmp_path, MONDAY)


def test_a_day_that_a_rollback_empties_is_told_and_how_it_comes_back(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    table = night.table("references")
    there = table.replace(MONDAY, rows(1), {})

    rollback("tiny", str(MONDAY), 0, "references")

    told = " ".join(capsys.readouterr().out.split())
    assert "version 0 has no rows of 2024-03-04, so the day is empty now" in told
    assert f"--to-version {there}" in told
    rollback("tiny", str(MONDAY), there, "references")
    assert "empty" not in capsys.readouterr().out
    assert table.snapshot().to_arrow()["reward"].to_pylist() == [1]


def test_a_day_that_was_never_written_has_nothing_to_go_back_to(night: Night) -> None:
    version = night.table("references").replace(MONDAY, rows(1), {})
    with pytest.raises(SpecError, match=f"{TUESDAY} was never written"):
        rollback("tiny", str(TUESDAY), version, "references")

"""A program whose champion has no challenger: there is nothing to promote, and slates all the same."""

from pathlib import Path

import pytest
import yaml

from tests.integration.nights import DOCS

from . import world


def test_a_champion_without_challengers_stays_and_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path / "dags"))
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path / "home"))
    spec = yaml.safe_load(world.SPEC)
    spec["learners"] = {"uniform": {"kind": "uniform"}}
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "tiny.yaml").write_text(yaml.safe_dump(spec))
    world.land_all(tmp_path / "home")
    for day in world.DAYS[:2]:
        world.run_night(tmp_path / "home", day, but=DOCS)
    rows = world.rows(tmp_path / "home", "promotions", "slates")
    assert rows["promotions"] == []
    assert len(rows["slates"]) == 2 * world.USERS
    night = world.night(tmp_path / "home", world.DAYS[1])
    assert night.registry.champion_version() == night.run().version_of("uniform")

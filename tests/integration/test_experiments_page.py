"""docs/experiments.md, done as it stands there."""

from pathlib import Path

import pytest
import yaml

from nightslate import programs
from tests.tutorials import BLOCK, PROJECT, as_shown

PAGE = PROJECT / "docs" / "experiments.md"


@pytest.mark.e2e
@pytest.mark.timeout(1800)
def test_the_commands_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert as_shown(PAGE, tmp_path) == 5


def test_what_the_page_says_of_programs_can_be_said_of_the_one_that_ships() -> None:
    shipped = (PROJECT / "dags" / "rollout_allocation.yaml").read_text("utf-8")
    said = [
        yaml.safe_load(text) for kind, _, text in BLOCK.findall(PAGE.read_text("utf-8")) if kind == "yaml"
    ]
    for keys in said:
        spec = yaml.safe_load(shipped)
        spec["experiment"]["allocation"] |= keys
        programs.parse(yaml.safe_dump(spec), "rollout_allocation")
    assert [key for keys in said for key in keys] == ["floor", "ramp", "signals", "layer"]

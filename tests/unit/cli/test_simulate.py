"""`nightslate simulate`, as far as it goes without a night."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightslate.cli import app
from nightslate.errors import SpecError

DAGS = Path(__file__).parents[3] / "dags"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(DAGS))


def test_a_home_that_has_logs_of_the_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "landing" / "onboarding_401k").mkdir(parents=True)
    result = CliRunner().invoke(app, ["simulate", "onboarding_401k", "--home", str(tmp_path)])
    assert result.exit_code == SpecError.exit_code
    assert "a simulation starts from nothing" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["landing"]


def test_a_world_that_asks_no_app_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", "onboarding_401k", "--served", "--home", str(tmp_path)])
    assert result.exit_code == SpecError.exit_code
    assert "the rec engine of onboarding_401k reads slates" in result.stderr


@pytest.mark.parametrize("wrong", [["atlantis"], ["onboarding_401k", "--users", "1"]])
def test_worlds_that_do_not_exist_and_nobody_to_play_with_are_mistakes(
    wrong: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["simulate", *wrong, "--home", str(tmp_path)])
    assert result.exit_code == 2

"""What `nightslate serve` refuses before it serves anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightslate.cli import app
from nightslate.errors import SpecError

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: the app has no login"),  # noqa: S104
        (["--host", "example.org"], "--host example.org: the app has no login"),
        ([], "open_bandit is served by nights alone; to ask for decisions, add the key `serving: {}`"),
    ],
)
def test_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, options: list[str], said: str) -> None:
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(PROJECT / "dags"))
    answer = CliRunner().invoke(app, ["serve", "--program", "open_bandit", *options])
    assert isinstance(answer.exception, SpecError)
    assert said in str(answer.exception)

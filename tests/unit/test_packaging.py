"""The lock files: every package by its digest, no package by its address."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from nightslate.simulation import open_bandit

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))

PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==(?P<version>[^\s;]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock):
    """(name, version, hashes) of a lock file; anything else in it is an error. Where a platform needs another
    version, a package has an entry for each."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pinned = PACKAGE.match(line)
        assert pinned, f"{lock.name}: {line[:100]!r} is no pinned package"
        rest = re.sub(HASH, "", line[pinned.end() :]).strip()
        assert not rest or rest.startswith(";"), f"{lock.name}: {rest[:100]!r}"
        found.append((pinned["name"], pinned["version"], HASH.findall(line)))
    return found


def versions(lock):
    """The versions of each package."""
    found = defaultdict(set)
    for name, version, _ in entries(lock):
        found[name].add(version)
    return found


def test_the_locks_are_there():
    names = {lock.name for lock in LOCKS}
    assert {"requirements.lock", "requirements-bootstrap.lock", "requirements-demo.lock"} <= names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_with_hashes(lock):
    packages = entries(lock)
    assert packages
    assert [name for name, _, hashes in packages if not hashes] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_address_and_no_client_of_spark_connect(lock):
    text = lock.read_text().lower()
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ ", "git+"):
        assert word not in text
    assert not {"pyspark-client", "pyspark_client"} & versions(lock).keys()


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock.name != "requirements.lock"], ids=lambda lock: lock.stem
)
def test_all_locks_agree_on_versions(lock):
    everything = versions(ROOT / "requirements.lock")
    for name, found in versions(lock).items():
        assert found <= everything.get(name, found), name


def test_what_the_project_pins_is_what_the_lock_holds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    pins = dict(one.split("==") for extra in extras.values() for one in extra if "==" in one)
    locked = versions(ROOT / "requirements.lock")
    assert {name: locked[name] for name in pins} == {name: {version} for name, version in pins.items()}
    assert "pyspark-client" in project["tool"]["uv"]["exclude-dependencies"]


def test_the_data_of_the_demo_is_pinned_twice_to_the_same_file():
    ((name, version, hashes),) = entries(ROOT / "requirements-demo.lock")
    assert open_bandit._WHEEL.startswith(f"{name.replace('-', '_')}-{version}-")
    assert hashes == [f"--hash=sha256:{open_bandit._SHA256}"]

"""The lock files: every package by its digest, none by its address. The wheel: all that a night needs."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nightslate.doctor import NEWEST_PYTHON, OLDEST_PYTHON
from nightslate.local import open_bandit

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
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


def test_what_the_project_allows_has_ranges_and_the_lock_lies_in_them():
    extras = PROJECT["project"]["optional-dependencies"].values()
    allowed = [Requirement(text) for part in (PROJECT["project"]["dependencies"], *extras) for text in part]
    locked = versions(ROOT / "requirements.lock")
    assert [str(one) for one in allowed if "==" in str(one.specifier) or not one.specifier] == []
    pins = [(one, version) for one in allowed for version in locked[one.name]]
    assert [(str(one), version) for one, version in pins if version not in one.specifier] == []
    assert {one.name for one in allowed} == {one.name for one, _ in pins}
    assert "pyspark-client" in PROJECT["tool"]["uv"]["exclude-dependencies"]


def test_every_place_names_the_same_pythons():
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    classifiers = "\n".join(PROJECT["project"]["classifiers"])
    tested = re.findall(r"Programming Language :: Python :: (.*)", classifiers)
    assert tested == [f"3.{minor}" for minor in range(OLDEST_PYTHON[1], NEWEST_PYTHON[1] + 1)]
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"\bpython(3\.\d+)", makefile) == tested
    assert f"{OLDEST_PYTHON} <= sys.version_info[:2] <= {NEWEST_PYTHON}" in makefile
    assert f"Python {tested[0]} to {tested[-1]}" in (ROOT / "README.md").read_text()


PACKAGES = {
    "airflow": "apache_airflow",
    "sklearn": "scikit_learn",
    "vl_convert": "vl_convert_python",
    "yaml": "pyyaml",
}
"""Those whose modules have another name."""


def test_what_the_source_imports_is_declared():
    """Not what some other package happens to bring along."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = {
        re.sub(r"[-.]", "_", Requirement(text).name).lower()
        for part in (PROJECT["project"]["dependencies"], *extras)
        for text in part
    }
    trees = [ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    roots = {name.split(".")[0] for name in imported} - {"nightslate", *sys.stdlib_module_names}
    assert {PACKAGES.get(root, root) for root in roots} - declared == set()
    assert "pandas" not in declared


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that the wheel of this checkout unpacks into."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_every_file_of_the_package_and_the_contracts(wheel):
    files = {path.relative_to(wheel) for path in wheel.rglob("*") if path.is_file()}
    source = {path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file()}
    source = {path for path in source if "__pycache__" not in path.parts}
    contracts = {Path("nightslate/contracts/schemas") / path.name for path in (ROOT / "schemas").iterdir()}
    assert {path for path in files if path.parts[0] == "nightslate"} == source | contracts


def test_the_wheel_alone_is_enough_for_a_step(wheel, tmp_path):
    """Its application, its contracts and the text of a program, away from any checkout."""
    script = (
        "import runpy, sys, nightslate; from nightslate.programs import pack; from pathlib import Path\n"
        f"assert Path(nightslate.__file__).is_relative_to({str(wheel)!r})\n"
        "from nightslate.contracts import tables, load\n"
        "assert all(load(name).columns for name in tables())\n"
        f"text = Path({str(ROOT / 'dags' / 'open_bandit.yaml')!r}).read_text()\n"
        "job = Path(nightslate.__file__).parent / 'jobs' / 'run_step.py'\n"
        "sys.argv = [str(job), 'train', '--program', 'open_bandit', '--ds', 'never']\n"
        "sys.argv += ['--packed', pack(text)]\n"
        "runpy.run_path(str(job), run_name='__main__')"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(wheel)}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 78, answer.stderr
    assert "'never' is not a day" in answer.stderr


def test_the_data_of_the_demo_is_pinned_twice_to_the_same_file():
    ((name, version, hashes),) = entries(ROOT / "requirements-demo.lock")
    assert open_bandit._WHEEL.startswith(f"{name.replace('-', '_')}-{version}-")
    assert hashes == [f"--hash=sha256:{open_bandit._SHA256}"]

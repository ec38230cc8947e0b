"""What the doctor says of installed files; the other findings are about the machine."""

import base64
import hashlib
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from nightslate import doctor
from nightslate.doctor import changed_files, diagnose


class VersionInfo(NamedTuple):
    """What sys.version_info is made of."""

    major: int
    minor: int
    micro: int


def test_the_installed_pyspark_is_the_one_of_its_wheel():
    """pyspark-client owns the same files: whichever is installed last wins."""
    assert changed_files("pyspark") == []


def install(folder, package):
    """A package in a folder of its own, with the RECORD that an installer writes."""
    files = {"till.py": b"total = 0\n", "__init__.py": b"", "logo,big.png": b"\x89PNG"}
    lines = []
    for name, content in files.items():
        path = folder / package / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f'"{package}/{name}",sha256={digest},{len(content)}')
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")
    return folder / package


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return install(tmp_path, "shop")


def test_a_package_as_it_was_installed_is_unchanged(shop):
    assert changed_files("shop") == []


def test_changed_and_missing_files_are_named(shop):
    (shop / "till.py").write_bytes(b"total = 1\n")
    (shop / "__init__.py").unlink()
    (shop / "logo,big.png").unlink()
    (shop / "more.py").write_bytes(b"")
    assert sorted(changed_files("shop")) == ["shop/__init__.py", "shop/logo,big.png", "shop/till.py"]


def test_a_package_that_is_not_there():
    with pytest.raises(PackageNotFoundError):
        changed_files("nothing-of-that-name")


def test_a_pyspark_that_another_package_overwrote_is_a_finding(tmp_path, monkeypatch):
    (install(tmp_path, "pyspark") / "till.py").write_bytes(b"from pyspark.client import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    (finding,) = [one for one in diagnose() if "pyspark-client" in one.what]
    assert not finding.ok
    assert "1 files of pyspark are not those of its wheel, such as pyspark/till.py" in finding.what


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10, 9), False), ((3, 11, 2), True), ((3, 13, 9), True), ((3, 14, 0), False)]
)
def test_a_python_that_was_not_tested_is_a_finding(monkeypatch, version, ok):
    running = SimpleNamespace(version_info=VersionInfo(*version))
    monkeypatch.setattr(doctor, "sys", running)
    (finding,) = [one for one in diagnose() if one.what.startswith("Python")]
    assert finding.ok == ok
    assert finding.what.startswith(f"Python {'.'.join(map(str, version))}")
    assert ok or finding.what.endswith("nightslate is tested on 3.11 to 3.13")


@pytest.mark.parametrize(
    ("key", "ok"), [("", False), ("too short", False), ("a secret nobody may see", True)]
)
def test_the_key_is_looked_at_and_not_shown(monkeypatch, key, ok):
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", key)
    findings = diagnose()
    (finding,) = [one for one in findings if "NIGHTSLATE_PSEUDONYM_KEY" in one.what]
    assert finding.ok == ok
    assert not key or key not in str(findings)

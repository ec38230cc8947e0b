"""Whether this machine can run nights and a warehouse is whole, and if not, what to do about it."""

from __future__ import annotations

import base64
import csv
import hashlib
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from nightslate import settings
from nightslate.local.java import ADVICE, java_home

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
PORTS = {8080: "Airflow", 5000: "MLflow"}
_ENGINE = ("pyspark", "deltalake", "mlflow", "great-expectations", "pyarrow", "numpy", "scikit-learn")
_KEY = "NIGHTSLATE_PSEUDONYM_KEY"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    ok: bool
    what: str


def diagnose() -> list[Finding]:
    """Everything that `nightslate doctor` prints."""
    return [_python(), _java(), *_packages(), _pyspark(), _key(), *_ports()]


def examine(home: Path, watch: Callable[[Iterable[Any], str], Iterable[Any]]) -> Iterator[Finding]:
    """Everything that `nightslate doctor --home` prints: each table of each program and its models, read
    from end to end. `watch` shows how far it is."""
    from nightslate.contracts import tables
    from nightslate.models.inspection import problems as model_problems
    from nightslate.tables.inspection import problems, snapshot_of

    folder, models = home / "tables", {}
    if not folder.is_dir():
        yield Finding(
            False, f"{folder} is no folder: there are no tables; say which warehouse, or run a night"
        )
        return
    for path in sorted(path for path in folder.glob("*/*") if not path.name.startswith(".")):
        name = "/".join(path.parts[-2:])
        if path.name not in tables():
            yield Finding(False, f"{path} is none of nightslate's tables: move it away")
            continue
        found = list(problems(path, home / "staging" / name, watch))
        yield from (Finding(False, problem) for problem in found)
        if not found:
            yield Finding(True, name)
            if path.name == "models":
                models[path.parent.name] = snapshot_of(path).to_arrow()
    lost = list(model_problems(home, models, watch))
    yield from (Finding(False, problem) for problem in lost)
    if not lost:
        yield Finding(True, f"models of {', '.join(models) or 'no program'}")


def _python() -> Finding:
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    fits = OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON
    oldest, newest = (".".join(map(str, version)) for version in (OLDEST_PYTHON, NEWEST_PYTHON))
    return Finding(fits, found if fits else f"{found}: nightslate is tested on {oldest} to {newest}")


def _java() -> Finding:
    home = java_home()
    return (
        Finding(True, f"Java in {home}") if home else Finding(False, f"no Java that Spark runs on. {ADVICE}")
    )


def _packages() -> Iterator[Finding]:
    for name in _ENGINE:
        try:
            yield Finding(True, f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding(False, f"{name} is missing: install nightslate[engine], or run `make setup`")


def _pyspark() -> Finding:
    """The client package of Spark Connect owns the same files; whichever came last has overwritten them."""
    try:
        changed = changed_files("pyspark")
    except PackageNotFoundError:
        return Finding(False, "pyspark's files can't be checked: it is not installed")
    if not changed:
        return Finding(True, "pyspark's files are those of its wheel")
    return Finding(
        False,
        f"{len(changed)} files of pyspark are not those of its wheel, such as {changed[0]}; pyspark-client"
        " overwrites them. Uninstall both and install pyspark alone (make clean setup)",
    )


def changed_files(package: str) -> list[str]:
    """The installed files of a package that differ from the digests in its RECORD."""
    installed = distribution(package)
    record = installed.read_text("RECORD") or ""
    changed = []
    for path, digest, _ in csv.reader(record.splitlines()):
        if digest.startswith("sha256="):
            content = Path(str(installed.locate_file(path)))
            found = hashlib.sha256(content.read_bytes()).digest() if content.is_file() else b""
            if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != digest.removeprefix("sha256="):
                changed.append(path)
    return changed


def _key() -> Finding:
    if len(settings.pseudonym_key()) >= 16:
        return Finding(True, f"{_KEY} is set")
    return Finding(
        False, f"{_KEY} is not set; `make demo` has one of its own, elsewhere: openssl rand -hex 32"
    )


def _ports() -> Iterator[Finding]:
    for port, service in PORTS.items():
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        state = (
            f"in use ({service} is up, or `make up` takes another one)" if taken else f"free for {service}"
        )
        yield Finding(True, f"port {port} is {state}")

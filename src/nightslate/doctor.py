"""Whether this machine can run nights, and if not, what to do about it."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from nightslate.local.java import ADVICE, java_home

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


def _python() -> Finding:
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    fits = sys.version_info[:2] == (3, 11)
    return Finding(fits, found if fits else f"{found}: nightslate is tested on 3.11")


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
    if len(os.environ.get(_KEY, "")) >= 16:
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

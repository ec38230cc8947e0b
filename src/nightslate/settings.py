"""The one reader of the environment: each variable of nightslate's own, as what it means. Nothing is kept:
what is asked for twice is read twice. An empty variable is one that is not set."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, cast, get_args

from nightslate.errors import SpecError

EngineName = Literal["local", "spark"]


def home() -> Path:
    """Where the warehouse is: $NIGHTSLATE_HOME, else ./warehouse."""
    return Path(os.environ.get("NIGHTSLATE_HOME") or "warehouse").absolute()


def dags_folder() -> Path:
    """Where programs live: $NIGHTSLATE_DAGS, else ./dags."""
    return Path(os.environ.get("NIGHTSLATE_DAGS") or "dags").absolute()


def engine() -> EngineName | None:
    """The engine of this installation, for programs that name none: $NIGHTSLATE_ENGINE. Raises SpecError if
    there is no such engine."""
    found = os.environ.get("NIGHTSLATE_ENGINE")
    if found and found not in get_args(EngineName):
        raise SpecError(f"NIGHTSLATE_ENGINE is {found!r}: choose one of {', '.join(get_args(EngineName))}")
    return cast("EngineName", found) if found else None


def pages() -> str:
    """The address of the warehouse's folder `reports` on a web server: $NIGHTSLATE_PAGES, else empty."""
    return (os.environ.get("NIGHTSLATE_PAGES") or "").rstrip("/")


def address_of(page: Path, home: Path) -> str:
    """Where people open a page of a warehouse: at `pages`, or, where nobody serves them, as a file."""
    return f"{pages()}/{page.relative_to(home / 'reports')}" if pages() else page.absolute().as_uri()


def engine_python() -> str:
    """The interpreter that has the engine's packages: $NIGHTSLATE_PYTHON, else this one."""
    return os.environ.get("NIGHTSLATE_PYTHON") or sys.executable


def run_id() -> str:
    """Whose run this is, for the metadata of commits: $NIGHTSLATE_RUN_ID, which a scheduler sets."""
    return os.environ.get("NIGHTSLATE_RUN_ID") or "command line"


def pseudonym_key() -> str:
    """The secret that user ids become pseudonyms with: $NIGHTSLATE_PSEUDONYM_KEY, else empty."""
    return os.environ.get("NIGHTSLATE_PSEUDONYM_KEY", "")


def pseudonym_key_version() -> str:
    """What is recorded of it: $NIGHTSLATE_PSEUDONYM_KEY_VERSION, else 1."""
    return os.environ.get("NIGHTSLATE_PSEUDONYM_KEY_VERSION") or "1"

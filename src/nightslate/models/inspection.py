"""Looks MLflow's store over: whether it is whole, and whether every model that a table names is there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from nightslate.errors import DamageError, NightslateError
from nightslate.models.client import connect, damaged
from nightslate.models.registry import Registry

Watch = Callable[[Iterable[str], str], Iterable[str]]
"""Shows how far one is in some digests, under a name."""


def problems(home: Path, models: dict[str, pa.Table], watch: Watch) -> Iterator[str]:
    """What is wrong with the models that the tables `models` name, by program, and what to do about it."""
    if not any(rows.num_rows for rows in models.values()):
        return
    try:
        _check_store(home)
        client = connect(home)
    except NightslateError as error:
        yield str(error)
        return
    for program, rows in models.items():
        trained = {row["digest"]: (row["issue"], row["ds"]) for row in rows.to_pylist()}
        for digest in watch(trained, f"models of {program}"):
            issue, night = trained[digest]
            try:
                Registry(client, program, issue).load(digest)
            except NightslateError as error:
                yield f"{program}/models of {night}: {error}"


def _check_store(home: Path) -> None:
    """Raises DamageError where the SQLite file is missing or not whole; a server looks after its own."""
    file = home / "mlflow.db"
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return
    if not file.is_file():
        raise damaged(str(file), DamageError("there is no such file"))
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as store:
            (found,) = store.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise damaged(str(file), error) from error
    if found != "ok":
        raise damaged(str(file), DamageError(found))

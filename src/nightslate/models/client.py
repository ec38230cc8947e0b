"""An MLflow client whose failures are errors of ours: one line each, with what to do. No other gets out."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from nightslate.errors import DamageError, ModelError, NightslateError, UnavailableError

_SQLITE = "sqlite:///"
_OUTAGES = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")

_CAME_BETWEEN = ("IntegrityError", "UniqueViolation")
"""What MLflow passes on of its database where another process wrote the same between look and write."""


class AbsentError(ModelError):
    """MLflow does not have what was asked for."""


class TakenError(ModelError):
    """MLflow has something of that name already."""


def connect(home: Path) -> Client:
    """A client of $MLFLOW_TRACKING_URI, else of an SQLite file in the warehouse.

    Raises DamageError where the file is none of MLflow's.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints what it also raises
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return Client(uri)
    home.mkdir(parents=True, exist_ok=True)
    # Of processes that open a new file at once, MLflow lets each create the tables, and all but one fail.
    with (home / ".mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = home.absolute() / "mlflow.db"
        store.touch(mode=0o640)  # SQLite would let every account of the machine read it
        uri = f"{_SQLITE}{store}"
        try:
            return Client(uri)
        except Exception as error:  # of SQLAlchemy, or of whichever migration of MLflow's met it
            raise damaged(uri, error) from error


class Client(MlflowClient):
    """MLflow's client. Every call raises AbsentError, TakenError or another ModelError where MLflow refuses,
    UnavailableError where it does not answer, DamageError where its files cannot be used."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found if name.startswith("_") or not callable(found) else mapped(self.tracking_uri)(found)


@contextmanager
def mapped(uri: str) -> Iterator[None]:
    """Raises what goes wrong with the MLflow at `uri` as errors of ours."""
    try:
        yield
    except MlflowException as error:
        raise _ours(uri, error) from error
    except OSError as error:
        raise DamageError(
            f"{error.filename or uri}: {error.strerror or error}. MLflow keeps its files there"
        ) from error


def _ours(uri: str, error: MlflowException) -> NightslateError:
    code, message = error.error_code, _first_line(error)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return AbsentError(f"MLflow: {message}")
    if code == "RESOURCE_ALREADY_EXISTS" or any(name in message for name in _CAME_BETWEEN):
        return TakenError(f"MLflow: {message}")
    if code not in _OUTAGES:
        return ModelError(f"MLflow at {uri} refuses: {message}")
    if uri.startswith(_SQLITE) and "database is locked" not in str(error):
        return damaged(uri, error)
    return UnavailableError(f"MLflow at {uri} does not answer: {message}")


def damaged(uri: str, error: Exception) -> DamageError:
    """The error that says what MLflow's SQLite file suffers from, and what to do."""
    return DamageError(
        f"{uri.removeprefix(_SQLITE)}, MLflow's store, can't be used: {_first_line(error)}. Restore it from a"
        " backup, or move it away and run `train` again for the nights whose models are needed: the same logs"
        " give the same models"
    )


def _first_line(error: Exception) -> str:
    """What it says, without the advice that SQLAlchemy puts before it."""
    lines = (line for line in str(error).splitlines() if line and not line.startswith("(raised as a result"))
    return next(lines, type(error).__name__)[:300]

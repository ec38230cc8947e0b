"""Models of a warehouse as whoever uses MLflow loads them."""

from pathlib import Path
from typing import Any

import mlflow
import pytest


def of_warehouse(home: Path) -> dict[str, str]:
    """The environment of such a person."""
    return {"NIGHTSLATE_HOME": str(home), "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}


def loaded(home: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> Any:
    """The environment stays as it is now until the test ends."""
    for name, value in of_warehouse(home).items():
        monkeypatch.setenv(name, value)
    return mlflow.pyfunc.load_model(uri)

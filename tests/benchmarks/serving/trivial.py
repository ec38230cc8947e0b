"""A python_function that does nothing: what is left is the server, and MLflow's reading and writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlflow.models import Model


class Nothing:
    """As many rows as were sent, with nothing in them."""

    def predict(self, model_input: Any) -> list[None]:
        return [None] * len(model_input)


def _load_pyfunc(_path: str) -> Nothing:
    return Nothing()


def saved(folder: Path, as_asked: Path) -> str:
    """The URI of one that is asked as another model is, whose MLmodel lies in a folder."""
    folder.mkdir()
    model = Model(signature=Model.load(as_asked).signature)
    model.add_flavor("python_function", loader_module=__name__)
    (folder / "MLmodel").write_text(json.dumps(model.to_dict(), default=str))
    return folder.as_uri()

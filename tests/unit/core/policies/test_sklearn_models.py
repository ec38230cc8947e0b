import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Lasso
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import FunctionTransformer

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.sklearn_models import (
    ESTIMATORS,
    build,
    estimator_class,
    fitted,
    from_array,
    to_array,
)

DESIGN = np.random.default_rng(0).normal(size=(200, 4))
LABELS = (DESIGN[:, 0] > 0.3) * 1.0


def small(name):
    few = "max_iter" if name.startswith(("hist", "mlp")) else "n_estimators"
    parameters = {few: 3} if few in estimator_class(name)().get_params() else {}
    return fitted(build(name, parameters, seed=0), DESIGN, LABELS, None)


def as_array(content):
    return np.frombuffer(content, dtype=np.uint8)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_models_travel_and_predict_the_same(name):
    model = small(name)
    loaded = from_array(to_array(model))
    assert type(loaded) is estimator_class(name)
    predict = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    np.testing.assert_array_equal(getattr(loaded, predict)(DESIGN), getattr(model, predict)(DESIGN))


def with_noise_in_the_gaps(content):
    """A file of skops with other bytes between the fields of its records."""
    source, noisy = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(noisy, "w") as target:
        for name in source.namelist():
            file = source.read(name)
            array = np.load(io.BytesIO(file)) if name.endswith(".npy") else np.zeros(0)
            if array.dtype.names:
                dirty = np.full(array.nbytes, 0xAB, np.uint8).view(array.dtype)
                for field in array.dtype.names:
                    dirty[field] = array[field]
                file = file[: len(file) - array.nbytes] + dirty.tobytes()
            target.writestr(name, file)
    return noisy.getvalue()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_equal_models_are_equal_bytes(name, monkeypatch):
    """skops writes addresses, and the gaps of records with what lay there; archives have the time."""
    first, dumps = to_array(small(name)), skops.io.dumps
    monkeypatch.setattr(skops.io, "dumps", lambda model: with_noise_in_the_gaps(dumps(model)))
    np.testing.assert_array_equal(to_array(small(name)), first)
    entries = zipfile.ZipFile(io.BytesIO(first.tobytes())).infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def touch(values):
    Path("touched").touch()
    return values


def with_a_touch(network):
    network.coefs_.append(FunctionTransformer(touch))
    return network


def test_types_that_are_not_ours_are_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model, message in (
        (FunctionTransformer(touch), "not a model that was saved here: .*untrusted.*touch"),
        (Lasso().fit(DESIGN, LABELS), "Lasso is not one of ridge"),
        ({"ridge": 1}, "dict is not one of ridge"),
        (with_a_touch(small("mlp_regressor")), "not a model that was saved here: .*untrusted.*touch"),
        (
            MLPClassifier(max_iter=1).fit(DESIGN, LABELS),  # with the state of its descent
            "not a model that was saved here: .*untrusted.*AdamOptimizer",
        ),
    ):
        with pytest.raises(InvalidInputError, match=f"(?is){message}"):
            from_array(as_array(skops.io.dumps(model)))
    assert not list(tmp_path.iterdir())


def test_what_a_file_says_of_itself_is_not_trusted(tmp_path, monkeypatch):
    """The schema of a saved tree is changed to name a function of this process instead of the tree."""
    monkeypatch.chdir(tmp_path)
    source = zipfile.ZipFile(io.BytesIO(to_array(small("extra_trees_regressor")).tobytes()))
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert b'"Tree"' in content
                content = content.replace(b'"__module__": "sklearn.tree._tree"', b'"__module__": "os"')
                content = content.replace(b'"Tree"', b'"system"')
                json.loads(content)
            target.writestr(name, content)
    with pytest.raises(InvalidInputError, match=r"os\.system"):
        from_array(as_array(changed.getvalue()))


class Exploit:
    def __reduce__(self):
        return touch, (1,)


def test_neither_pickles_nor_noise_are_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = to_array(small("ridge"))
    for content in (pickle.dumps(Exploit()), b"", b"noise", whole[:-30].tobytes(), whole[30:60].tobytes()):
        with pytest.raises(InvalidInputError, match="not a model that was saved here"):
            from_array(as_array(content))
    assert not list(tmp_path.iterdir())


def test_a_saved_model_holds_arrays_and_a_schema_and_no_pickle():
    archive = zipfile.ZipFile(io.BytesIO(to_array(small("random_forest_classifier")).tobytes()))
    assert {Path(name).suffix for name in archive.namelist()} == {".json", ".npy"}
    for name in archive.namelist():
        if name.endswith(".npy"):
            np.load(io.BytesIO(archive.read(name)), allow_pickle=False)

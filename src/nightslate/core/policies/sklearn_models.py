"""The scikit-learn estimators that a program may name, and their way to arrays and back without pickle."""

import io
import json
import zipfile
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.standardised import fit_logistic, fit_network

# By module and class, loaded when used: scikit-learn and skops take seconds, which every process would pay.
ESTIMATORS = {
    "ridge": ("sklearn.linear_model", "Ridge"),
    "logistic_regression": ("sklearn.linear_model", "LogisticRegression"),
    "hist_gradient_boosting_regressor": ("sklearn.ensemble", "HistGradientBoostingRegressor"),
    "hist_gradient_boosting_classifier": ("sklearn.ensemble", "HistGradientBoostingClassifier"),
    "random_forest_regressor": ("sklearn.ensemble", "RandomForestRegressor"),
    "random_forest_classifier": ("sklearn.ensemble", "RandomForestClassifier"),
    "extra_trees_regressor": ("sklearn.ensemble", "ExtraTreesRegressor"),
    "extra_trees_classifier": ("sklearn.ensemble", "ExtraTreesClassifier"),
    "mlp_regressor": ("sklearn.neural_network", "MLPRegressor"),
    "mlp_classifier": ("sklearn.neural_network", "MLPClassifier"),
}

# Every estimator's own public classes and numpy's arrays are known to skops; these are the private ones.
TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree")

# What a program must not set: the seed comes from the night, and a fit must not depend on the machine.
_RESERVED = ("n_jobs", "random_state", "warm_start")
_SEEDS = 2**32
_SCHEMA = "schema.json"

Setting = bool | int | float | str | tuple[int, ...] | None
"""A tuple is one of layers' sizes."""

_LAYERS = "hidden_layer_sizes"


def estimator_class(name: str) -> Any:
    """The class of one of ESTIMATORS."""
    module, kind = ESTIMATORS[name]
    return getattr(import_module(module), kind)


def build(name: str, parameters: Mapping[str, Setting], seed: int) -> Any:
    """An unfitted estimator. Raises InvalidInputError for a name that is not in ESTIMATORS, and for
    parameters that it does not have or that are not a program's to set."""
    if name not in ESTIMATORS:
        raise InvalidInputError(f"estimator must be one of {', '.join(ESTIMATORS)}; got {name!r}")
    kind = estimator_class(name)
    free = sorted(kind().get_params().keys() - set(_RESERVED))
    unknown = sorted(parameters.keys() - set(free))
    if unknown:
        raise InvalidInputError(f"parameters of {name} has {', '.join(unknown)}; it takes {', '.join(free)}")
    bad = [key for key, value in parameters.items() if not _is_setting(key, value)]
    if bad:
        raise InvalidInputError(
            f"parameters of {name}: {', '.join(bad)} must be a number, a word or nothing, and {_LAYERS} a"
            " whole number over 0 or several of them"
        )
    return kind(**parameters, random_state=seed % _SEEDS)


def fitted(estimator: Any, design: Floats, target: Floats, weights: Floats | None) -> Any:
    """The estimator, fitted to designs (n, f), targets (n,) and weights (n,) in one thread: sums over several
    depend on how many there are. Raises InvalidInputError where scikit-learn finds something wrong."""
    try:
        with threadpool_limits(limits=1):
            if hasattr(estimator, _LAYERS):
                return fit_network(estimator, design, target, weights)
            if type(estimator) is estimator_class("logistic_regression"):
                return fit_logistic(estimator, design, target, weights)
            return estimator.fit(design, target, sample_weight=weights)
    except ValueError as error:
        raise InvalidInputError(f"{type(estimator).__name__} can't be fitted: {error}") from error


def to_array(model: Any) -> NDArray[np.uint8]:
    """The fitted model as bytes (n,): equal models have equal bytes.

    skops names its parts by their addresses in memory; here they are numbered in the order of the schema.
    Bytes between the fields of a record are set to 0."""
    import skops.io

    names: dict[str, str] = {}

    def anonymous(node: dict[str, Any]) -> dict[str, Any]:
        node.pop("__id__", None)
        if "file" in node:
            node["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
        return node

    canonical = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as source,
        zipfile.ZipFile(canonical, "w") as target,
    ):
        schema = json.loads(source.read(_SCHEMA), object_hook=anonymous)
        _write(target, _SCHEMA, json.dumps(schema).encode())
        for old, new in names.items():
            _write(target, new, _without_gaps(source.read(old)))
    return np.frombuffer(canonical.getvalue(), dtype=np.uint8)


def from_array(content: NDArray[np.uint8]) -> Any:
    """The model that `to_array` described. Raises InvalidInputError for anything else, before an object of a
    type that is neither known to skops nor in TRUSTED is made."""
    import skops.io

    try:
        model = skops.io.loads(content.tobytes(), trusted=TRUSTED)
    except Exception as error:  # bytes from elsewhere can fail in any way; all of them mean the same
        raise InvalidInputError(f"these bytes are not a model that was saved here: {error}") from error
    if type(model) not in map(estimator_class, ESTIMATORS):
        raise InvalidInputError(f"{type(model).__name__} is not one of {', '.join(ESTIMATORS)}")
    return model


def _is_setting(name: str, value: object) -> bool:
    if name != _LAYERS:
        return value is None or isinstance(value, bool | int | float | str)
    sizes = value if isinstance(value, tuple) else (value,)
    return bool(sizes) and all(type(size) is int and size > 0 for size in sizes)


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # a ZipInfo of its own: it dates from 1980, not from now
    archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)


def _without_gaps(file: bytes) -> bytes:
    array = np.load(io.BytesIO(file), allow_pickle=False)
    if array.dtype.names is None:
        return file
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    return file[: len(file) - array.nbytes] + clean.tobytes()

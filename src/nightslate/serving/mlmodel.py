"""The files that make a version of a model one that MLflow loads and serves: a python_function."""

from __future__ import annotations

import json
from platform import python_version
from typing import Any

import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, Map, ParamSchema, ParamSpec, Schema, TensorSpec

from nightslate.contracts import Column, load
from nightslate.contracts.features import feature_column
from nightslate.models.packages import Package
from nightslate.programs.consents import needs_of
from nightslate.serving.release import RELEASE, Release

LOADER = "nightslate.serving.loading"
USER, DAY, ELIGIBLE = "user_id", "slate_date", "eligible_arms"
VARIANT = "variant"

_EXAMPLE, _REQUEST = "input_example.json", "serving_input_example.json"
_TYPES: dict[str, DataType | Array] = {
    "string": DataType.string,
    "double": DataType.double,
    "date": DataType.string,
    "array<string>": Array(DataType.string),
    "array<float>": Array(DataType.float),
    "array<double>": Array(DataType.double),
    "array<timestamp>": Array(DataType.datetime),
}


def package(release: Release) -> Package:
    """What MLflow finds beside the files of a model. Equal for equal releases on one version of MLflow."""
    row = example(release)
    split = {"columns": list(row), "data": [list(row.values())]}
    model = Model(
        signature=signature(release),
        saved_input_example_info={
            "artifact_path": _EXAMPLE,
            "serving_input_path": _REQUEST,
            "type": "dataframe",
            "pandas_orient": "split",
        },
        model_uuid=release.model_digest[:32],
    )
    model.add_flavor("python_function", loader_module=LOADER, python_version=python_version())
    described = {name: value for name, value in model.to_dict().items() if name != "utc_time_created"}
    return Package(
        {
            "MLmodel": yaml.safe_dump(described, sort_keys=True).encode(),
            RELEASE: release.to_json(),
            _EXAMPLE: json.dumps(split).encode(),
            _REQUEST: json.dumps({"dataframe_split": split}).encode(),
        }
    )


def signature(release: Release) -> ModelSignature:
    """Features, consents and eligible arms in; out comes a row as the table `slates` has it."""
    features = [feature_column(feature.name, feature.type) for feature in release.context]
    columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.string, name) for name in (USER, DAY)]
    columns += [ColSpec(_TYPES[feature.type], feature.name) for feature in features]
    columns += [ColSpec(Map(DataType.double), each.name) for each in release.keyed]
    consents = dict.fromkeys(needs_of((*release.context, *release.keyed)).values())
    columns += [ColSpec(DataType.boolean, name, required=False) for name in consents]
    columns.append(ColSpec(Array(DataType.string), ELIGIBLE, required=False))
    return ModelSignature(
        inputs=Schema(columns),
        outputs=Schema([_output(column) for column in load("slates").columns]),
        params=ParamSchema([ParamSpec(VARIANT, DataType.string, release.variant)]),
    )


def _output(column: Column) -> ColSpec:
    # whoever may get no arm has no slate, so no id of one
    return ColSpec(_TYPES[column.type], column.name, required=column.required and column.name != "slate_id")


def example(release: Release) -> dict[str, Any]:
    """A row of a request: a user of whom no more is known than what makes one eligible."""
    known = {name: values[0] for name, values in release.eligible.items()}
    features = {feature.name: known.get(feature.name) for feature in release.context}
    by_arm = {each.name: {"": each.default} for each in release.keyed}
    return {USER: "0" * 32, DAY: "2026-01-31", **features, **by_arm}

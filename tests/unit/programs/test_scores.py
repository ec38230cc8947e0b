"""What scores of users can be made of."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from nightslate.errors import SpecError
from nightslate.programs import Program, load

DAG = Path(__file__).parents[3] / "dags" / "rollout_allocation.yaml"


def program(
    folder: Path,
    score: dict[str, Any] | None = None,
    allocation: dict[str, Any] | None = None,
    **changed: Any,
) -> Program:
    """That of the folder of DAGs, with other settings."""
    spec = yaml.safe_load(DAG.read_text()) | changed
    spec["experiment"]["allocation"] |= allocation or {}
    spec["experiment"]["allocation"]["score"] |= score or {}
    path = folder / "rollout_allocation.yaml"
    path.write_text(yaml.safe_dump(spec))
    return load(path)


def test_the_first_of_the_models_leads_unless_another_is_said(tmp_path: Path) -> None:
    allocation = program(tmp_path).only_issue.allocation
    assert allocation is not None
    assert allocation.score.first_model == next(iter(allocation.score.models))
    models = {"one": {"kind": "linear"}, "two": {"kind": "estimator"}}
    allocation = program(tmp_path, {"models": models, "first": "two"}).only_issue.allocation
    assert allocation is not None
    assert allocation.score.first_model == "two"
    assert allocation.score.metrics == ("purchases_soon", "trouble_soon")


def test_what_users_of_a_fold_do_needs_two_others(tmp_path: Path) -> None:
    assert program(tmp_path, evaluation={"folds": 3})
    with pytest.raises(SpecError, match=r"evaluation\.folds: 2 are too few for an allocation"):
        program(tmp_path, evaluation={"folds": 2})


def test_a_value_of_a_user_is_final(tmp_path: Path) -> None:
    experiment = yaml.safe_load(DAG.read_text())["experiment"]
    experiment["metrics"]["purchases_soon"]["winsorise"] = {"value": 5.0}
    assert program(tmp_path, experiment=experiment)
    experiment["metrics"]["purchases_soon"]["winsorise"] = {"quantile": 0.99}
    with pytest.raises(
        SpecError, match="what a user of purchases_soon counts for changes with the `quantile`"
    ):
        program(tmp_path, experiment=experiment)


def test_no_column_has_the_name_of_the_segment_of_those_who_were_moved(tmp_path: Path) -> None:
    logs = yaml.safe_load(DAG.read_text())["logs"]
    logs["context"].append({"name": "moved_towards", "type": "category"})
    with pytest.raises(SpecError, match=r"experiment\.allocation: moved_towards is a column of contexts"):
        program(tmp_path, logs=logs)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ({"first": "nobody"}, "first: 'nobody' is none of the models"),
        ({"harm": "purchases_soon"}, "harm: purchases_soon is the benefit as well"),
        ({"benefit": "clicks"}, "'clicks' is none of the metrics"),
        ({"ignores": ["weather"]}, r"score\.ignores: 'weather' is not one of logs\.context or features"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, score: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        program(tmp_path, score)

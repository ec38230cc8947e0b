"""The files that MLflow reads a model by."""

import json

import mlflow.models
import pytest
from mlflow.types.schema import Array
from tests.unit.serving import shop

from nightslate.serving.mlmodel import example, package, signature


def test_equal_releases_have_equal_packages_and_others_have_not():
    assert package(shop.release()).digest == package(shop.release()).digest
    assert package(shop.release()).digest != package(shop.release(floor=0.2)).digest


def test_mlflow_reads_it_and_finds_nothing_that_has_to_be_unpickled(tmp_path):
    release = shop.release(eligible={"device": ("phone", "watch")})
    package(release).save(tmp_path)
    found = mlflow.models.Model.load(tmp_path)
    assert set(found.flavors) == {"python_function"}
    assert set(found.flavors["python_function"]) == {"loader_module", "python_version"}
    assert found.signature == signature(release)
    row = example(release)
    assert row["device"] == "phone"
    assert found.load_input_example(tmp_path).to_dict("records")[0]["user_id"] == row["user_id"]
    sent = json.loads(found.get_serving_input(tmp_path))
    assert sent == {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}


def test_the_signature_asks_for_what_the_program_declares():
    asked = signature(shop.release())
    assert asked.inputs.input_names() == ["user_id", "slate_date", "device", "age", "eligible_arms"]
    assert asked.inputs.optional_input_names() == ["eligible_arms"]
    assert [(one.name, one.default) for one in asked.params.params] == [("variant", "personalised")]
    answered = shop.served().predict(shop.asked(shop.people(1)))[0]
    assert set(asked.outputs.input_names()) == set(answered)


@pytest.mark.parametrize("adjustment", [shop.PLAIN, shop.ADJUSTED])
def test_an_answer_is_what_the_signature_says(adjustment):
    users = shop.people(20)
    lists = [["a", "b"] if row % 2 else [] for row in range(20)]
    answers = shop.served(adjustment=adjustment).predict(shop.asked(users, eligible_arms=lists))
    outputs = {column.name: column for column in signature(shop.release()).outputs}
    for answer in answers:
        for name, value in answer.items():
            assert value is not None or not outputs[name].required, name
            assert value is None or isinstance(value, list) == isinstance(outputs[name].type, Array), name

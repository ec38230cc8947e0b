"""Features with intervals, and which of them interact."""

import pytest

from nightslate.programs import load

from .test_loading import refusal, with_, write


def crossing(crosses, pooling="hybrid"):
    spec = with_("logs.arm_features", [{"name": "topic", "type": "category"}])
    spec["logs"]["context"] = [{"name": "age", "type": "number", "boundaries": [7, 30.5]}]
    spec["logs"]["crosses"] = crosses
    spec["learners"]["linear"]["pooling"] = pooling
    return spec


@pytest.mark.parametrize("crosses", [None, [], [["age", "topic"]]])
def test_boundaries_and_crosses(tmp_path, crosses):
    """No list means that all interact, an empty one that nothing does."""
    logs = load(write(tmp_path, crossing(crosses))).logs
    assert logs.context[0].boundaries == (7.0, 30.5)
    assert logs.crosses == (None if crosses is None else tuple(map(tuple, crosses)))


@pytest.mark.parametrize(
    ("boundaries", "says"),
    [
        ([30, 7], "each must be larger than the one before, not [30.0, 7.0]"),
        ([7, 7], "each must be larger than the one before, not [7.0, 7.0]"),
        ([float("nan")], "boundaries.0: Input should be a finite number"),
        ([float("-inf"), 0], "boundaries.0: Input should be a finite number"),
        (["7"], "boundaries.0: Input should be a valid number"),
        ([True], "boundaries.0: Input should be a valid number"),
        (7, "boundaries: Input should be a valid tuple"),
    ],
)
@pytest.mark.parametrize("place", ["logs.context", "logs.arm_features"])
def test_boundaries_that_are_none(tmp_path, place, boundaries, says):
    age = {"name": "age", "type": "number", "boundaries": boundaries}
    assert says in refusal(tmp_path, with_(place, [age]))


def test_a_category_has_no_boundaries(tmp_path):
    topic = {"name": "topic", "type": "category", "boundaries": [1]}
    assert "topic is a category; only numbers have" in refusal(tmp_path, with_("logs.context", [topic]))


@pytest.mark.parametrize(
    ("crosses", "says"),
    [
        ([["colour", "topic"]], "'colour' is not one of logs.context (there: ['age'])"),
        ([["topic", "age"]], "'topic' is not one of logs.context (there: ['age'])"),
        ([["age", "age"]], "'age' is not one of logs.arm_features (there: ['topic'])"),
        ([["age", "topic"], ["age", "topic"]], "crosses: a pair is named twice in"),
        ([["age"]], "crosses.0.1: Field required"),
        ([["age", "topic", "age"]], "crosses.0: Tuple should have at most 2 items"),
        ("age", "logs.crosses: Input should be a valid tuple"),
    ],
)
def test_crosses_that_are_none(tmp_path, crosses, says):
    assert says in refusal(tmp_path, crossing(crosses))


@pytest.mark.parametrize("crosses", [[], [["age", "topic"]]])
def test_crosses_that_no_learner_looks_at(tmp_path, crosses):
    spec = crossing(crosses, pooling="disjoint")
    assert "logs.crosses: no learner looks at them" in refusal(tmp_path, spec)
    spec["learners"]["greedy"] = {"kind": "epsilon_greedy"}
    assert load(write(tmp_path, spec)).learners["greedy"].kind == "epsilon_greedy"

"""Features with intervals, and which of them interact."""

import pytest

from nightslate.contracts import load as contract
from nightslate.programs import load
from nightslate.programs.logs import SQL_WORDS, TAKEN

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
        ([["colour", "topic"]], "'colour' is not one of logs.context or features (there: ['age'])"),
        ([["topic", "age"]], "'topic' is not one of logs.context or features (there: ['age'])"),
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
    assert load(write(tmp_path, spec)).only_issue.learners["greedy"].kind == "epsilon_greedy"


def columns(*tables):
    return {column.name for table in tables for column in contract(table).columns}


def test_names_are_taken_where_a_table_or_a_night_has_them():
    """A night adds the reward of an impression and the bucket of a user to the columns of the contracts."""
    assert TAKEN["context"] == columns("impressions", "users", "transitions") | {"reward", "bucket"}
    assert TAKEN["arm_features"] == columns("arms") | {"bucket"}
    assert TAKEN["activity"] == columns("activity") | {"known_at", "bucket"}


@pytest.mark.parametrize("place", ["context", "arm_features"])
@pytest.mark.parametrize("name", ["reward", "bucket", "arm_id", "slot", "ds", "user_id", "variant", "step"])
def test_a_column_of_a_program_may_not_be_called_what_another_is(tmp_path, place, name):
    spec = with_(f"logs.{place}", [{"name": name, "type": "number"}])
    if name in TAKEN[place]:
        assert f"logs: Value error, {place}: the name {name!r} is taken" in refusal(tmp_path, spec)
    else:
        assert load(write(tmp_path, spec)).logs.arm_features[0].name == name


@pytest.mark.parametrize("name", sorted(SQL_WORDS))
def test_a_column_may_not_be_called_what_sql_takes_for_something_else(tmp_path, name):
    spec = with_("logs.context", [{"name": name, "type": "category"}])
    assert f"the name {name!r} is a word of SQL" in refusal(tmp_path, spec)


def test_what_comes_next_has_a_name_too(tmp_path):
    """Transitions hold what is known at the decision after theirs, as next_NAME."""
    context = [{"name": "age", "type": "number"}, {"name": "next_age", "type": "number"}]
    assert "the name 'next_age' is taken" in refusal(tmp_path, with_("logs.context", context))
    assert load(write(tmp_path, with_("logs.context", context[1:]))).logs.context[0].name == "next_age"

"""Features of a program: what can't be computed from its activity is refused by name."""

import pytest

from nightslate.programs import load

from .test_loading import SPEC, refusal, write

ACTIVITY = {"columns": [{"name": "page", "type": "category"}, {"name": "seconds", "type": "number"}]}
COUNT = {"aggregation": "count", "window": "7d"}


def with_features(features, activity=ACTIVITY, **more):
    return {**SPEC, "logs": {**SPEC["logs"], "activity": activity}, "features": features, **more}


def test_features_are_columns_of_contexts(tmp_path):
    spec = with_features(
        {
            "errors": {"aggregation": "count", "where": {"kind": "error"}, "windows": ["1d", "90m"]},
            "last_page": {"aggregation": "last", "column": "page", "window": "7d", "default": "none"},
            "seconds": {"aggregation": "sum", "column": "seconds", "window": "1d", "boundaries": [1, 9]},
        }
    )
    program = load(write(tmp_path, spec))
    columns = {feature.name: (feature.type, feature.boundaries) for feature in program.context}
    assert columns == {
        "age": ("number", ()),
        "errors_1d": ("number", ()),
        "errors_90m": ("number", ()),
        "last_page": ("category", ()),
        "seconds": ("number", (1.0, 9.0)),
    }
    assert program.only_issue.context == program.context
    assert program.logs.names[-1] == "activity"


@pytest.mark.parametrize(
    ("name", "feature", "says"),
    [
        ("n", {**COUNT, "where": {"pagee": "a"}}, "'pagee' is no column of activity"),
        ("n", {**COUNT, "where": {"pagee": "a"}}, "is page what is meant?"),
        ("n", {"aggregation": "sum", "column": "page", "window": "1d"}, "page is a category"),
        ("n", {"aggregation": "count"}, "features.n: a window is needed"),
        ("n", {**COUNT, "window": "36d"}, "its window is longer than activity is kept"),
        ("n", {"aggregation": "mean", "column": "seconds", "window": "1d"}, "say its `default`"),
        ("n", {"aggregation": "last", "column": "page", "window": "1d", "default": 0}, "has to be text"),
        ("n", {"aggregation": "last", "column": "seconds", "window": "1d", "default": "a"}, "to be a number"),
        ("age", COUNT, "the name 'age' is taken by another column of contexts"),
        ("reward", COUNT, "the name 'reward' is taken by another column of contexts"),
        ("interval", COUNT, "the name 'interval' is a word of SQL"),
        ("n", {**COUNT, "source": "clicks"}, "features.n.count.source"),
        ("n", {**COUNT, "source": "outcomes", "where": {"page": "a"}}, "'page' is no column of outcomes"),
    ],
)
def test_what_can_not_be_computed(tmp_path, name, feature, says):
    assert says in refusal(tmp_path, with_features({name: feature}))


def test_features_need_activity(tmp_path):
    assert "declare `logs.activity`" in refusal(tmp_path, {**SPEC, "features": {"n": COUNT}})
    of_clicks = {**COUNT, "source": "outcomes", "where": {"kind": "click"}}
    assert load(write(tmp_path, {**SPEC, "features": {"n": of_clicks}})).context[-1].name == "n"


def test_columns_of_activity_have_names_of_their_own(tmp_path):
    for name, says in (("kind", "the name 'kind' is taken"), ("page", "a column is declared twice")):
        columns = [{"name": "page", "type": "category"}, {"name": name, "type": "number"}]
        assert says in refusal(tmp_path, with_features({}, {"columns": columns}))


def test_an_issue_does_not_say_features_of_its_own(tmp_path):
    spec = with_features({"n": COUNT}, issues={"a": {"features": {"n": COUNT}}, "b": {}})
    assert "features is said once, for the whole program" in refusal(tmp_path, spec)

"""What is on offer for an issue, and what learners are told of it."""

from datetime import date
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.encoding import Encoder, Intervals
from nightslate.pipeline.arms import arm_ids, belonging, chosen, offered_arms
from nightslate.pipeline.fitting import described_arms
from nightslate.programs.issue import ArmChoice
from nightslate.programs.logs import Logs
from nightslate.programs.slates import ExposureGoal

DS = date(2026, 11, 16)
CONTEXTS = Encoder(("age", "device"), (Intervals((30.0,)), ("app", "web")))
ARMS = pa.table({"arm_id": ["b", "a"], "topic": ["saving", "debt"], "length": [1.0, 5.0]})
FEATURES = [{"name": "topic", "type": "category"}, {"name": "length", "type": "number", "boundaries": [3]}]
MANY = pa.table(
    {
        "arm_id": ["d", "c", "b", "a"],
        "topic": [None, "debt", "debt", "saving"],
        "tone": ["warm", "warm", None, "warm"],
    }
)


def night(crosses=None, **arms):
    context = [{"name": "age", "type": "number", "boundaries": [30]}, {"name": "device", "type": "category"}]
    logs = Logs(propensity="marginal", context=context, arm_features=FEATURES, crosses=crosses)
    issue = SimpleNamespace(arms=ArmChoice(**arms))
    return SimpleNamespace(ds=DS, issue=issue, program=SimpleNamespace(logs=logs))


def offered(night, arms=ARMS):
    """By a table that has arms on the day of the night alone."""
    return offered_arms(night, SimpleNamespace(rows=lambda *days: arms if days == (DS, DS) else None))


def test_arms_come_in_order_with_what_they_interact_with():
    tonight = night([["age", "topic"], ["device", "length"]])
    assert arm_ids(offered(tonight)) == ("a", "b")
    arms = described_arms(tonight, offered(tonight), CONTEXTS)
    np.testing.assert_array_equal(arms.features, [[1, 1, 0, 0, 1], [1, 0, 1, 1, 0]])
    np.testing.assert_array_equal(
        arms.crossed, [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1]]
    )


def test_where_no_crosses_are_named_all_interact():
    assert described_arms(night(), offered(night()), CONTEXTS).crossed is None


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        ({}, ("a", "b", "c", "d")),
        ({"ids": ["c", "a", "gone"]}, ("a", "c")),
        ({"where": {"topic": "debt"}}, ("b", "c")),
        ({"where": {"topic": "debt", "tone": "warm"}}, ("c",)),
        ({"where": {"topic": "other"}}, ()),
    ],
)
def test_an_issue_has_the_arms_that_it_names_or_that_have_all_that_it_asks_for(choice, ids):
    assert arm_ids(offered(night(**choice), MANY)) == ids
    assert arm_ids(chosen(MANY, ArmChoice(**choice)).sort_by("arm_id")) == ids


def test_a_goal_is_about_arms_in_the_same_words():
    named = ExposureGoal(name="some", arms=["d", "b"], share=0.1)
    asked = ExposureGoal(name="warm", where={"tone": "warm"}, share=0.1)
    assert belonging(MANY, named).to_pylist() == [True, False, True, False]
    assert belonging(MANY, asked).to_pylist() == [True, True, False, True]

"""What training is told of arms."""

import numpy as np
import pyarrow as pa
import pytest

from nightslate.errors import ContractError
from nightslate.kernels.encoding import ByArm, Encoder, Intervals
from nightslate.kernels.training import arm_key, arms_of, encoder_for, winsorised, with_arms
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Feature

CONTEXTS = Encoder(("age",), (Intervals((30.0,)),))
LENGTH, TOPIC = Feature(name="length", type="number"), Feature(name="topic", type="category")

ROWS = pa.table(
    {
        "arm_id": ["a", "b", "c"],
        "topic": ["saving", None, "debt"],
        "length": pa.array([3.5, 1.0, None], pa.float64()),
    }
)


def test_arms_are_known_by_id_and_features():
    arms = arms_of(ROWS, (LENGTH, TOPIC), CONTEXTS)
    assert arms.keys.tolist() == [arm_key(arm) for arm in "abc"]
    expected = [[1, 3.5, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]]  # a constant, the length, debt, saving
    np.testing.assert_array_equal(arms.features, expected)
    assert arms.crossed is None


def test_arms_without_features_are_plain():
    np.testing.assert_array_equal(arms_of(ROWS, (), CONTEXTS).features, np.ones((3, 1)))


def test_numbers_of_arms_have_intervals_too():
    length = Feature(name="length", type="number", boundaries=(2.0, 3.5))
    found = arms_of(ROWS, (TOPIC, length), CONTEXTS).features
    np.testing.assert_array_equal(found, [[1, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]])


def test_arms_know_what_interacts_with_what():
    arms = arms_of(ROWS, (LENGTH, TOPIC), CONTEXTS, [("age", "topic")])
    np.testing.assert_array_equal(arms.crossed, [[1, 1, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1]])
    by_itself = arms_of(ROWS, (LENGTH, TOPIC), CONTEXTS, [])
    np.testing.assert_array_equal(by_itself.crossed, [[1, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]])


def test_an_encoder_has_the_places_that_features_ask_for():
    age = Feature(name="age", type="number", boundaries=(30.0,))
    found = encoder_for((LENGTH, TOPIC, age), {"topic": {"saving": 2, "debt": 1}})
    assert found == Encoder(("length", "topic", "age"), (None, ("debt", "saving"), Intervals((30.0,))))


def test_a_context_has_a_number_for_each_arm_of_not_too_many():
    seen, plain = KeyedFeature(name="seen", by="arm_id", default=0.5), Encoder(("age",), (None,))
    arms = pa.table({"arm_id": ["b", "a", "b"]})
    assert with_arms(plain, [seen], arms).places == (None, ByArm("arm_id", ("a", "b"), 0.5))
    many = pa.table({"arm_id": [str(number) for number in range(201)]})
    with pytest.raises(ContractError, match=r"features.seen: 201 values of arm_id .* 200 at most"):
        with_arms(plain, [seen], many)


def test_numbers_by_arm_are_winsorised_with_what_is_not_said():
    encoder = Encoder(("seen",), (ByArm("arm_id", ("a", "b"), 0.0),))
    counts = {"seen": {"2.0": 50, "4.0": 49, "900.0": 1}}
    cut = winsorised(encoder, counts)
    assert cut(np.array([[1.0, 0.0, 900.0, 2.0]])).tolist() == [[1.0, -1.0, 1.0, 0.0]]

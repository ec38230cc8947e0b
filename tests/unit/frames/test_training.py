"""What training is told of arms."""

import numpy as np
import pyarrow as pa

from nightslate.frames.training import arm_key, arms_of

ROWS = pa.table(
    {
        "arm_id": ["a", "b", "c"],
        "topic": ["saving", None, "debt"],
        "length": pa.array([3.5, 1.0, None], pa.float64()),
    }
)


def test_arms_are_known_by_id_and_features():
    arms = arms_of(ROWS, {"length": "number", "topic": "category"})
    assert arms.keys.tolist() == [arm_key(arm) for arm in "abc"]
    expected = [[1, 3.5, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]]  # a constant, the length, debt, saving
    np.testing.assert_array_equal(arms.features, expected)


def test_arms_without_features_are_plain():
    np.testing.assert_array_equal(arms_of(ROWS, {}).features, np.ones((3, 1)))

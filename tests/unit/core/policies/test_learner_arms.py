import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms

KEYS = np.array([3, 1, 2], dtype=np.uint64)


def test_plain_arms_are_arms_and_no_more():
    arms = Arms.plain(int(key) for key in KEYS)
    np.testing.assert_array_equal(arms.keys, KEYS)
    np.testing.assert_array_equal(arms.features, np.ones((3, 1)))


@pytest.mark.parametrize(
    ("keys", "features", "message"),
    [
        (KEYS[[0, 1, 1]], np.ones((3, 1)), "distinct keys"),
        (KEYS.astype(np.int64), np.ones((3, 1)), "distinct keys"),
        (KEYS[:, None], np.ones((3, 1)), "distinct keys"),
        (KEYS, np.ones((2, 1)), "arm features must have shape"),
        (KEYS, np.ones(3), "arm features must have shape"),
        (KEYS, np.array([[1, 0], [1, np.nan], [1, 0]]), "not finite"),
        (KEYS, np.array([[1.0], [1.0], [0.0]]), "column of ones"),
        (KEYS, np.ones((3, 0)), "column of ones"),
    ],
)
def test_what_are_no_arms_is_refused(keys, features, message):
    with pytest.raises(InvalidInputError, match=message):
        Arms(keys, features)

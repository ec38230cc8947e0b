"""What learners are told of the arms of a night."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from nightslate.kernels.encoding import Encoder, Intervals
from nightslate.programs.logs import Logs
from nightslate.steps.inputs import described_arms

CONTEXTS = Encoder(("age", "device"), (Intervals((30.0,)), ("app", "web")))
ARMS = pa.table({"arm_id": ["b", "a"], "topic": ["saving", "debt"], "length": [1.0, 5.0]})
FEATURES = [{"name": "topic", "type": "category"}, {"name": "length", "type": "number", "boundaries": [3]}]


def night(crosses):
    context = [{"name": "age", "type": "number", "boundaries": [30]}, {"name": "device", "type": "category"}]
    logs = Logs(propensity="marginal", context=context, arm_features=FEATURES, crosses=crosses)
    return SimpleNamespace(program=SimpleNamespace(logs=logs), rows=lambda _: ARMS)


def test_arms_come_in_order_with_what_they_interact_with():
    arms = described_arms(night([["age", "topic"], ["device", "length"]]), CONTEXTS)
    np.testing.assert_array_equal(arms.features, [[1, 1, 0, 0, 1], [1, 0, 1, 1, 0]])
    np.testing.assert_array_equal(
        arms.crossed, [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1]]
    )


def test_where_no_crosses_are_named_all_interact():
    assert described_arms(night(None), CONTEXTS).crossed is None

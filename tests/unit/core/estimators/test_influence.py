"""A unit that makes an estimate by itself."""

from dataclasses import replace

import numpy as np
import pytest

from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.influence import made_by_one
from nightslate.core.estimators.intervals import Delta
from nightslate.core.estimators.results import results
from nightslate.core.estimators.sample import Sample

EACH = np.arange(300, dtype=np.uint64)


def estimated(sample, *estimators):
    lines = results(EvaluationState.initial(("p",), estimators).update([sample], EACH), interval=Delta())
    return {line.estimator: line for line in lines}


def log(odd=0.0):
    draw = np.random.default_rng(1)
    rewards = (draw.random(300) < 0.35).astype(float)
    q = np.full(300, 0.35)
    q[17] += odd
    return Sample(rewards, np.full(300, 0.5), np.full(300, 0.5), q_logged=np.full(300, 0.35), v_target=q)


def test_a_row_of_which_a_model_expects_far_too_much_is_found():
    """-230 in one of 300 rows moves the mean by -0.77."""
    sample = log(odd=-230.0)
    found = made_by_one(sample, EACH, estimated(sample, "dr")["dr"])
    assert found.unit == 17
    assert found.moves == pytest.approx(-230 / 300, rel=0.01)
    assert found.others == pytest.approx(0.0275, abs=0.001)


def test_rows_that_are_like_others_are_not():
    lines = estimated(log(), "dr", "ips", "snips", "replay")
    assert [made_by_one(log(), EACH, line) for line in lines.values()] == [None] * 4


def test_the_only_reward_of_all_is_and_without_any_nothing_is():
    sample = replace(log(), reward=(np.arange(300) == 42).astype(float))
    assert made_by_one(sample, EACH, estimated(sample, "snips")["snips"]).unit == 42
    nothing = replace(log(), reward=np.zeros(300))
    assert made_by_one(nothing, EACH, estimated(nothing, "ips")["ips"]) is None

"""The unit that a log lacks."""

import numpy as np

from nightslate.core.ope.one_more import against, in_favour
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.trajectory_sample import TrajectorySample

LOG = Sample(
    reward=np.array([0.0, 5.0, 1.0, -2.0]),
    propensity=np.array([0.5, 0.5, 0.5, 0.5]),
    target_propensity=np.array([0.1, 0.3, 0.9, 0.5]),
    q_logged=np.array([0.2, 0.4, 0.6, 0.8]),
    v_target=np.ones(4),
)


def units(logs):
    return [
        (float(one.reward.sum()), round(float(one.weight[0]), 9), float(one.q_logged.ravel()[0]))
        for one in logs
    ]


def test_it_has_the_rewards_and_weights_at_the_ends_and_is_else_what_was_logged():
    assert units(against(LOG)) == [(5.0, 0.2, 0.2), (-2.0, 1.8, 0.6)]
    assert units(in_favour(LOG)) == [(5.0, 1.8, 0.6), (-2.0, 0.2, 0.2)]


def test_of_trajectories_whole_rewards_and_weights_count():
    step = {
        "propensity": np.full((2, 2), 0.5),
        "q_logged": np.array([[0.1, 0], [0.2, 0]]),
        "v_target": np.ones((2, 2)),
    }
    log = TrajectorySample(
        reward=np.array([[3.0, 0.0], [1.0, 1.0]]),
        target_propensity=np.array([[1.0, 1.0], [0.1, 0.5]]),
        **step,
    )
    assert units(against(log)) == [(3.0, 0.2, 0.2), (2.0, 4.0, 0.1)]

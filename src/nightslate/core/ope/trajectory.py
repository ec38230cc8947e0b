"""Off-policy estimators of trajectories; the value is that of a whole one, its discounted return.

Steps are to a trajectory what slots are to a slate, so these are the estimators of slates, of rewards and
expectations that are discounted. No step's reward depends on later ones, so that all but fqe are unbiased, or
consistent where self-normalised, if the propensities are right. W_t is the weight of the first t steps.

tis, trajectory-wise importance sampling, and pdis, per-decision (Precup, Sutton and Singh, 2000): every
reward with the weight of the whole trajectory, or with W_t of its own step.
sntis and snpdis, self-normalised: sntis (weighted IS in Precup, Sutton and Singh, 2000) divides by the mean
weight of trajectories; snpdis (CWPDIS in Thomas, 2015) divides each step's mean of W_t r_t by that step's
mean of W_t, over all trajectories, of which those that have ended keep their last weight and have reward 0.
traj_dr, doubly robust (Jiang and Li, 2016; Thomas and Brunskill, 2016): the sum over steps of
W_t (r_t - q_t) + W_(t-1) v_t.
fqe, the direct method on fitted Q evaluation (Le, Voloshin and Yue, 2019): the mean of v_1, with all of the
model's bias, of which nothing that varies tells anything: it has no interval."""

from dataclasses import replace

import numpy as np

from nightslate.core.ope.cascade_dr import CASCADE_DR
from nightslate.core.ope.estimator import Estimator, Limits, Pair
from nightslate.core.ope.sample import known
from nightslate.core.ope.slate_ips import RIPS, SIPS, SNRIPS, SNSIPS
from nightslate.core.ope.statistic import Span
from nightslate.core.ope.trajectory_sample import TrajectorySample


def _first_expectation(sample: TrajectorySample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((known(sample.v_target)[:, 0], np.ones(sample.n)),)


def _spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    """If the model's expectations are in the range of so many rewards. A discount makes them smaller, towards
    0, which is in the range of a reward where there are several steps: spans hold for any."""
    return (Span(limits.slots * limits.low, limits.slots * limits.high),)


TIS = replace(SIPS, name="tis")
PDIS = replace(RIPS, name="pdis")
SNTIS = replace(SNSIPS, name="sntis")
SNPDIS = replace(SNRIPS, name="snpdis")
TRAJ_DR = replace(CASCADE_DR, name="traj_dr")
FQE = Estimator("fqe", _first_expectation, _spans, frozenset({"v_target"}), knows_its_error=False)

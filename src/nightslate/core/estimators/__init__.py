"""Off-policy estimators, one file a family, by the name that reports carry."""

from nightslate.core.estimators.cascade_dr import CASCADE_DR
from nightslate.core.estimators.dm import DM
from nightslate.core.estimators.dr import DR, DROS, MRDR, SNDR, SWITCH_DR
from nightslate.core.estimators.estimator import Estimator
from nightslate.core.estimators.ips import CLIPPED_IPS, IPS
from nightslate.core.estimators.mips import MIPS
from nightslate.core.estimators.pseudo_inverse import PSEUDO_INVERSE
from nightslate.core.estimators.replay import REPLAY
from nightslate.core.estimators.slate_ips import IIPS, RIPS, SIPS, SNIIPS, SNRIPS, SNSIPS
from nightslate.core.estimators.snips import SNIPS
from nightslate.core.estimators.trajectory import FQE, PDIS, SNPDIS, SNTIS, TIS, TRAJ_DR

BANDIT_ESTIMATORS: dict[str, Estimator] = {
    estimator.name: estimator
    for estimator in (REPLAY, IPS, SNIPS, CLIPPED_IPS, DM, DR, SNDR, SWITCH_DR, DROS, MRDR, MIPS)
}
"""Of a `Sample`: the value of an impression."""

SLATE_ESTIMATORS: dict[str, Estimator] = {
    estimator.name: estimator
    for estimator in (SIPS, IIPS, RIPS, SNSIPS, SNIIPS, SNRIPS, CASCADE_DR, PSEUDO_INVERSE)
}
"""Of a `SlateSample`: the value of a decision."""

TRAJECTORY_ESTIMATORS: dict[str, Estimator] = {
    estimator.name: estimator for estimator in (TIS, PDIS, SNTIS, SNPDIS, TRAJ_DR, FQE)
}
"""Of a `TrajectorySample`: the value of a trajectory."""

ESTIMATORS = {**BANDIT_ESTIMATORS, **SLATE_ESTIMATORS, **TRAJECTORY_ESTIMATORS}

"""Off-policy estimators, one file a family, by the name that reports carry."""

from nightslate.core.ope.cascade_dr import CASCADE_DR
from nightslate.core.ope.dm import DM
from nightslate.core.ope.dr import DR, DROS, MRDR, SNDR, SWITCH_DR
from nightslate.core.ope.estimator import Estimator
from nightslate.core.ope.ips import CLIPPED_IPS, IPS
from nightslate.core.ope.mips import MIPS
from nightslate.core.ope.pseudo_inverse import PSEUDO_INVERSE
from nightslate.core.ope.replay import REPLAY
from nightslate.core.ope.slate_ips import IIPS, RIPS, SIPS, SNIIPS, SNRIPS, SNSIPS
from nightslate.core.ope.snips import SNIPS
from nightslate.core.ope.trajectory import FQE, PDIS, SNPDIS, SNTIS, TIS, TRAJ_DR

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

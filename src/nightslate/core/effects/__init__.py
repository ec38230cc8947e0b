"""Effects of treatments on users, by what is known of each: a DR-learner (Kennedy, 2023) in passes over users
that can be split in any way."""

from nightslate.core.effects.calibration import CROSS_FITTED, Slope, columns, slope
from nightslate.core.effects.estimated import EstimatedEffects, Estimator
from nightslate.core.effects.linear import EffectSums, LinearEffects, ResidualSums
from nightslate.core.effects.nuisances import OutcomeSums, could_be, own_fold, pseudo_outcomes
from nightslate.core.effects.observed import Observed, UserSample, nobody
from nightslate.core.effects.prediction import CrossFitted, EffectModel, Effects, Worth

__all__ = [
    "CROSS_FITTED",
    "CrossFitted",
    "EffectModel",
    "EffectSums",
    "Effects",
    "EstimatedEffects",
    "Estimator",
    "LinearEffects",
    "Observed",
    "OutcomeSums",
    "ResidualSums",
    "Slope",
    "UserSample",
    "Worth",
    "columns",
    "could_be",
    "nobody",
    "own_fold",
    "pseudo_outcomes",
    "slope",
]

"""What drives a regression's choices, said in figures that a person can check."""

from nightslate.core.insights.arm_responses import ArmResponses, Response
from nightslate.core.insights.best_arms import BestShares, posterior_policy
from nightslate.core.insights.contributions import Contributions, contributions
from nightslate.core.insights.effects import Effects, centring, effects_of_arms, effects_of_features
from nightslate.core.insights.held_out import HeldOut
from nightslate.core.insights.permutation import Importance, Permutation, permutation_importance
from nightslate.core.insights.regression import AnyRegression, Regression, fitted_regression, is_regression

__all__ = [
    "AnyRegression",
    "ArmResponses",
    "BestShares",
    "Contributions",
    "Effects",
    "HeldOut",
    "Importance",
    "Permutation",
    "Regression",
    "Response",
    "centring",
    "contributions",
    "effects_of_arms",
    "effects_of_features",
    "fitted_regression",
    "is_regression",
    "permutation_importance",
    "posterior_policy",
]

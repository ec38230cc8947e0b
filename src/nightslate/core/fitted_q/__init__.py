"""Q functions of trajectories, fitted by regression: what an arm is worth now and in all that follows."""

from nightslate.core.fitted_q.choosing import CHOICES, Choice, choosing
from nightslate.core.fitted_q.fitted_q_evaluation import evaluate_policy
from nightslate.core.fitted_q.importance import importance
from nightslate.core.fitted_q.learner import FittedQ
from nightslate.core.fitted_q.policy import FittedQPolicy
from nightslate.core.fitted_q.transitions import Transitions

__all__ = [
    "CHOICES",
    "Choice",
    "FittedQ",
    "FittedQPolicy",
    "Transitions",
    "choosing",
    "evaluate_policy",
    "importance",
]

"""Learners, one file each, by the kind that a program names; and the rankings drawn from what they learn."""

from typing import Any

from nightslate.core.policies.epsilon_greedy import EpsilonGreedy
from nightslate.core.policies.learner import Arms, Learner
from nightslate.core.policies.linear_thompson import LinearThompson
from nightslate.core.policies.linear_ucb import LinearUCB
from nightslate.core.policies.logistic_thompson import LogisticThompson
from nightslate.core.policies.logistic_ucb import LogisticUCB
from nightslate.core.policies.popularity import Popularity
from nightslate.core.policies.uniform import Uniform

LEARNERS: dict[str, type[Learner[Any]]] = {
    learner.kind: learner
    for learner in (
        Uniform,
        Popularity,
        LinearThompson,
        LinearUCB,
        LogisticThompson,
        LogisticUCB,
        EpsilonGreedy,
    )
}

__all__ = [
    "LEARNERS",
    "Arms",
    "EpsilonGreedy",
    "Learner",
    "LinearThompson",
    "LinearUCB",
    "LogisticThompson",
    "LogisticUCB",
    "Popularity",
    "Uniform",
]

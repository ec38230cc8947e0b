"""Learners, one file each, by the kind that a program names; and the rankings drawn from what they learn."""

from typing import Any

from nightslate.core.policies.learner import Learner
from nightslate.core.policies.linear_thompson import LinearThompson
from nightslate.core.policies.popularity import Popularity
from nightslate.core.policies.uniform import Uniform

LEARNERS: dict[str, type[Learner[Any]]] = {
    learner.kind: learner for learner in (Uniform, Popularity, LinearThompson)
}

__all__ = ["LEARNERS", "Learner", "LinearThompson", "Popularity", "Uniform"]

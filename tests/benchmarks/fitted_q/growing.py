"""Fit Q to a history of so many transitions, in a process of its own.

Prints when the fit began and ended, when all states had been valued, and how many next states differ."""

from __future__ import annotations

import sys
import time

import numpy as np
from tests.benchmarks.fitted_q.campaign import ITERATIONS, OFFERED, history

from nightslate.core.fitted_q import FittedQ

LEARNER = FittedQ(
    "hist_gradient_boosting_regressor",
    {"max_iter": 50, "max_leaf_nodes": 31, "early_stopping": False},
    iterations=ITERATIONS,
    tolerance=0.0,
)


def main(size: int) -> None:
    """To stdout, a number a line."""
    transitions = history(size)
    began = time.time()
    policy = LEARNER.fit(transitions, OFFERED, seed=7)
    ended = time.time()
    policy.action_values(transitions.states)
    print(began, ended, time.time(), len(np.unique(transitions.next_states, axis=0)), sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))

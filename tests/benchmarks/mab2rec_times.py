"""Seconds that MABWiser and Mab2Rec take, as JSON: `python mab2rec_times.py INPUTS.npz`, in their venv."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mab2rec import BanditRecommender, LearningPolicy
from mabwiser.mab import MAB


def seconds(call: Callable[..., Any], *arguments: object) -> float:
    """The better of two runs."""
    took = []
    for _ in range(2):
        began = time.perf_counter()
        call(*arguments)
        took.append(time.perf_counter() - began)
    return min(took)


def main(file: str) -> None:
    """Fit on contexts, arms and rewards; recommend to users."""
    with np.load(file, allow_pickle=False) as loaded:
        inputs = dict(loaded)
    arms = np.unique(inputs["arms"]).tolist()
    times = {}
    for policy in (LearningPolicy.LinUCB(), LearningPolicy.LinTS()):
        name = type(policy).__name__
        mab = MAB(arms, policy)
        times[f"fit {name}"] = seconds(mab.fit, inputs["arms"], inputs["rewards"], inputs["contexts"])
        recommender = BanditRecommender(policy, top_k=3)
        known = slice(len(inputs["users"]))
        recommender.fit(inputs["arms"][known], inputs["rewards"][known], inputs["users"])
        times[f"recommend {name}"] = seconds(recommender.recommend, inputs["users"])
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1])

"""What MABWiser's LinTS chooses after so many rows, as JSON: `python mabwiser_choices.py INPUTS.npz`, in its
venv. It knows arms by their names alone."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from mabwiser.mab import MAB, LearningPolicy


def main(file: str) -> None:
    """Of inputs `contexts`, `arms`, `rewards`, `users`, `eligible`, `sizes`, `ridge` and `noise`."""
    with np.load(file, allow_pickle=False) as loaded:
        inputs = dict(loaded)
    arms = list(range(inputs["eligible"].shape[1]))
    policy = LearningPolicy.LinTS(alpha=float(np.sqrt(inputs["noise"])), l2_lambda=float(inputs["ridge"]))
    found = []
    for size in inputs["sizes"].tolist():
        began = time.perf_counter()
        mab = MAB(arms, policy, seed=1)
        mab.fit(inputs["arms"][:size], inputs["rewards"][:size], inputs["contexts"][:size])
        drawn = mab.predict_expectations(inputs["users"])
        scores = np.array([[of_user[arm] for arm in arms] for of_user in drawn])
        chosen = np.where(inputs["eligible"], scores, -np.inf).argmax(axis=1)
        found.append({"LinTS": {"seconds": time.perf_counter() - began, "chosen": chosen.tolist()}})
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

"""What Thompson sampling of bayesianbandits chooses after so many rows, as JSON: `python
bayesianbandits_choices.py INPUTS.npz`, in its venv. `disjoint`: a regression an arm; `shared`: one of the
products of what arms and customers are."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from bayesianbandits import NormalRegressor


def main(file: str) -> None:
    """Of inputs `contexts`, `arms`, `rewards`, `users`, `eligible`, `sizes`, `ridge`, `noise`, `features`
    of arms and which of them are `crossed` with which of a context."""
    with np.load(file, allow_pickle=False) as loaded:
        inputs = dict(loaded)
    found = []
    for size in inputs["sizes"].tolist():
        of_size = {}
        for name, choose in (("disjoint", disjoint), ("shared", shared)):
            began = time.perf_counter()
            scores = choose(inputs, size)
            chosen = np.where(inputs["eligible"], scores, -np.inf).argmax(axis=1)
            of_size[name] = {"seconds": time.perf_counter() - began, "chosen": chosen.tolist()}
        found.append(of_size)
    print(json.dumps(found))


def regressor(inputs: dict[str, np.ndarray], seed: int) -> NormalRegressor:
    """With the same prior as the others."""
    noise = float(inputs["noise"])
    return NormalRegressor(alpha=float(inputs["ridge"]) / noise, beta=1 / noise, random_state=seed)


def disjoint(inputs: dict[str, np.ndarray], size: int) -> np.ndarray:
    """(n, arms) a draw of each customer's reward by each arm."""
    arms, scores = inputs["arms"][:size], []
    for arm in range(inputs["eligible"].shape[1]):
        mine, model = arms == arm, regressor(inputs, arm)
        if mine.any():
            model.partial_fit(inputs["contexts"][:size][mine], inputs["rewards"][:size][mine])
        else:
            model.partial_fit(np.zeros((1, inputs["users"].shape[1])), np.zeros(1))
        scores.append(model.sample(inputs["users"], size=1)[0])
    return np.stack(scores, axis=1)


def shared(inputs: dict[str, np.ndarray], size: int) -> np.ndarray:
    """The same."""
    arms, model = inputs["arms"][:size], regressor(inputs, 0)
    model.partial_fit(
        products(inputs["contexts"][:size], inputs["features"][arms], inputs), inputs["rewards"][:size]
    )
    users, n_arms = inputs["users"], inputs["eligible"].shape[1]
    rows = [
        products(users, np.tile(inputs["features"][arm], (len(users), 1)), inputs) for arm in range(n_arms)
    ]
    drawn = model.sample(np.concatenate(rows), size=1)[0]
    return drawn.reshape(n_arms, len(users)).T


def products(contexts: np.ndarray, features: np.ndarray, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """(n, q) of each context and arm."""
    of_context, of_arm = np.nonzero(inputs["crossed"])
    return contexts[:, of_context] * features[:, of_arm]


if __name__ == "__main__":
    main(sys.argv[1])

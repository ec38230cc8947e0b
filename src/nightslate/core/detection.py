"""How likely something is to come: a classifier of rows of which it is known whether it came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.policies.epsilon_greedy import EpsilonGreedy, EpsilonGreedyPolicy
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.row_sample import RowSample


@dataclass(frozen=True)
class Holdout:
    """How a fit did on rows of later days. auc: the probability that of a row where it came and one where it
    did not the first has the higher risk (ties half). brier: mean squared error of the risk; `brier_of_mean`
    that of the share of rows where it came, which knows nothing else."""

    auc: float
    brier: float
    brier_of_mean: float


def detector(learner: EpsilonGreedy, rows: RowSample, key: int, seed: int) -> EpsilonGreedyPolicy | None:
    """The fit; None where the rows do not show both what came and what did not. key: of its name."""
    if np.unique(rows.sample().rewards).size < 2:
        return None
    return learner.fit(rows, Arms.plain([key]), seed)


def risk(fitted: EpsilonGreedyPolicy, contexts: Floats) -> Floats:
    """(n,) of contexts (n, d), from 0 to 1."""
    return np.clip(fitted.expected_rewards(contexts)[:, 0], 0.0, 1.0)


def held_out(
    learner: EpsilonGreedy, early: RowSample, late: RowSample, key: int, seed: int
) -> Holdout | None:
    """What a fit on early rows expects of late ones; None where one of them does not show both."""
    fitted, rows = detector(learner, early, key, seed), late.sample()
    if fitted is None or np.unique(rows.rewards).size < 2:
        return None
    from sklearn.metrics import roc_auc_score

    expected, weights = risk(fitted, rows.contexts), rows.weights / rows.weights.sum()
    mean = float(weights @ rows.rewards)
    return Holdout(
        auc=float(roc_auc_score(rows.rewards, expected, sample_weight=weights)),
        brier=float(weights @ (expected - rows.rewards) ** 2),
        brier_of_mean=mean * (1 - mean),
    )

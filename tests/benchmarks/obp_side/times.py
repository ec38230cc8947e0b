"""How long OBP takes for given logs, as JSON in seconds. Runs in OBP's environment: times.py INPUTS.npz"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import without_torch  # noqa: F401
from obp.ope import OffPolicyEvaluation, RegressionModel
from obp.ope import estimators as bandit
from sklearn.linear_model import Ridge

FEW, MORE = 2, 22


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def of_estimates(log: dict[str, np.ndarray]) -> dict[str, float]:
    """Points, and intervals for FEW and for MORE resamples, of which the difference is what resamples
    take."""
    tuning = float(log["tuning"])
    evaluation = OffPolicyEvaluation(
        bandit_feedback={
            "n_rounds": len(log["arm"]),
            "n_actions": log["target"].shape[1],
            "action": log["arm"],
            "reward": log["reward"],
            "pscore": log["propensity"],
            "position": None,
            "context": log["contexts"],
        },
        ope_estimators=[
            bandit.InverseProbabilityWeighting(),
            bandit.SelfNormalizedInverseProbabilityWeighting(),
            bandit.DirectMethod(),
            bandit.DoublyRobust(),
            bandit.SelfNormalizedDoublyRobust(),
            bandit.SwitchDoublyRobust(lambda_=tuning),
            bandit.DoublyRobustWithShrinkage(lambda_=tuning),
        ],
    )
    given = {
        "action_dist": log["target"][:, :, None],
        "estimated_rewards_by_reg_model": log["model"][:, :, None],
    }
    few, more = (
        seconds(lambda n=n: evaluation.estimate_intervals(**given, n_bootstrap_samples=n, random_state=0))
        for n in (FEW, MORE)
    )
    return {
        "points": seconds(lambda: evaluation.estimate_policy_values(**given)),
        "resample": (more - few) / (MORE - FEW),
        "resamples measured": MORE - FEW,
    }


def of_cross_fit(log: dict[str, np.ndarray]) -> dict[str, float]:
    """A reward model in 5 folds, then DR."""

    def cross_fitted() -> float:
        model = RegressionModel(n_actions=log["target"].shape[1], base_model=Ridge())
        expected = model.fit_predict(
            context=log["contexts"],
            action=log["arm"],
            reward=log["reward"],
            n_folds=5,
            random_state=0,
        )
        return bandit.DoublyRobust().estimate_policy_value(
            reward=log["reward"],
            action=log["arm"],
            pscore=log["propensity"],
            action_dist=log["target"][:, :, None],
            estimated_rewards_by_reg_model=expected,
        )

    return {"cross-fit": seconds(cross_fitted)}


if __name__ == "__main__":
    with np.load(sys.argv[1]) as inputs:
        given = dict(inputs)
    print(json.dumps({**of_estimates(given), **of_cross_fit(given)}))

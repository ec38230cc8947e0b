"""OBP's estimates of many logs of one world, as JSON {model: {estimator: values}}. Runs in OBP's environment:
errors.py INPUTS.npz

contexts (R, n, d), arm, reward and propensity (R, n), target (R, n, A), shared and shared_mrdr (R, n, A):
what another model expects; candidates of tuning parameters."""

import json
import os
import sys
from collections import defaultdict

os.environ["OMP_NUM_THREADS"] = "1"  # the logs are small: threads would mostly wait for one another

import numpy as np
import without_torch  # noqa: F401
from obp.ope import RegressionModel
from obp.ope import estimators as bandit
from obp.ope import estimators_tuning as tuned
from sklearn.linear_model import LogisticRegression


def estimates(given: dict, model: np.ndarray, mrdr: np.ndarray, candidates: list[float]) -> dict[str, float]:
    """The estimates of one log with a model and one that was fitted for MRDR, each (n, A)."""
    squares = [c * c for c in candidates]
    estimators = {
        "ips": bandit.InverseProbabilityWeighting(),
        "snips": bandit.SelfNormalizedInverseProbabilityWeighting(),
        "clipped_ips": tuned.InverseProbabilityWeightingTuning(lambdas=list(candidates)),
        "dm": bandit.DirectMethod(),
        "dr": bandit.DoublyRobust(),
        "sndr": bandit.SelfNormalizedDoublyRobust(),
        "switch_dr": tuned.SwitchDoublyRobustTuning(lambdas=list(candidates)),
        "dros": tuned.DoublyRobustWithShrinkageTuning(lambdas=squares),
        "mrdr": bandit.DoublyRobust(),
    }
    return {
        name: float(
            estimator.estimate_policy_value(
                **given, estimated_rewards_by_reg_model=(mrdr if name == "mrdr" else model)[:, :, None]
            )
        )
        for name, estimator in estimators.items()
    }


def own_model(given: dict, contexts: np.ndarray, method: str) -> np.ndarray:
    """(n, A) what OBP's regression model expects, of logistic regression, cross-fitted in 5 folds."""
    model = RegressionModel(
        n_actions=given["action_dist"].shape[1],
        base_model=LogisticRegression(max_iter=1000),
        fitting_method=method,
    )
    log = {name: given[name] for name in ("action", "reward", "pscore", "action_dist")}
    return model.fit_predict(context=contexts, **log, n_folds=5, random_state=0)[:, :, 0]


if __name__ == "__main__":
    with np.load(sys.argv[1]) as inputs:
        logs = dict(inputs)
    candidates = logs.pop("candidates").tolist()
    values = {"shared": defaultdict(list), "own": defaultdict(list)}
    for r in range(len(logs["arm"])):
        log = {name: array[r] for name, array in logs.items()}
        given = {
            "reward": log["reward"],
            "action": log["arm"],
            "pscore": log["propensity"],
            "action_dist": log["target"][:, :, None],
        }
        models = {
            "shared": (log["shared"], log["shared_mrdr"]),
            "own": tuple(own_model(given, log["contexts"], method) for method in ("normal", "mrdr")),
        }
        for name, (model, mrdr) in models.items():
            for estimator, value in estimates(given, model, mrdr, candidates).items():
                values[name][estimator].append(value)
    print(json.dumps(values))

"""SCOPE-RL's values of given trajectories, as JSON. Runs in SCOPE-RL's environment: values.py INPUTS.npz

action, reward and propensity (n, T), target and model (n, T, A), discount; all trajectories have T steps."""

import json
import sys

import numpy as np
import without_torch  # noqa: F401
from scope_rl.ope.discrete import basic_estimators as basic

log = dict(np.load(sys.argv[1]))
arms = log["target"].shape[2]
given = {
    "step_per_trajectory": log["action"].shape[1],
    "action": log["action"].ravel(),
    "reward": log["reward"].ravel(),
    "pscore": log["propensity"].ravel(),
    "evaluation_policy_action_dist": log["target"].reshape(-1, arms),
    "state_action_value_prediction": log["model"].reshape(-1, arms),
    "gamma": float(log["discount"]),
}
estimators = {
    "tis": basic.TrajectoryWiseImportanceSampling(),
    "pdis": basic.PerDecisionImportanceSampling(),
    "sntis": basic.SelfNormalizedTIS(),
    "snpdis": basic.SelfNormalizedPDIS(),
    "traj_dr": basic.DoublyRobust(),
    "fqe": basic.DirectMethod(),
}
print(json.dumps({name: float(each.estimate_policy_value(**given)) for name, each in estimators.items()}))

"""OBP's values of given logs, as JSON. Runs in OBP's environment: values.py INPUTS.npz"""

import json
import sys

import numpy as np
import without_torch  # noqa: F401
from obp.ope import estimators as bandit
from obp.ope import estimators_slate as slate


def of_bandits(log: dict[str, np.ndarray], tuning: float) -> dict[str, float]:
    """Values of single actions; log: arm, reward, propensity (n,), target and model (n, A)."""
    given = {
        "reward": log["reward"],
        "action": log["arm"],
        "pscore": log["propensity"],
        "action_dist": log["target"][:, :, None],
        "estimated_rewards_by_reg_model": log["model"][:, :, None],
    }
    estimators = {
        "ips": bandit.InverseProbabilityWeighting(),
        "clipped_ips": bandit.InverseProbabilityWeighting(lambda_=tuning),
        "snips": bandit.SelfNormalizedInverseProbabilityWeighting(),
        "dm": bandit.DirectMethod(),
        "dr": bandit.DoublyRobust(),
        "sndr": bandit.SelfNormalizedDoublyRobust(),
        "switch_dr": bandit.SwitchDoublyRobust(lambda_=tuning),
        "dros": bandit.DoublyRobustWithShrinkage(lambda_=tuning),
    }
    return {name: float(estimator.estimate_policy_value(**given)) for name, estimator in estimators.items()}


def of_slates(log: dict[str, np.ndarray]) -> dict[str, float]:
    """Values of slates; log: shown, reward and propensities (n, K), onward (n, K, A): the target's
    probability of each arm given the slots before, model (n, K, A)."""
    decisions, slots, arms = log["onward"].shape
    cumulative = {side: np.cumprod(log[side], axis=1) for side in ("propensity", "target_propensity")}
    whole = {side: np.repeat(p[:, -1], slots) for side, p in cumulative.items()}
    given = {
        "slate_id": np.repeat(np.arange(decisions), slots),
        "position": np.tile(np.arange(slots), decisions),
        "action": log["shown"].ravel(),
        "reward": log["reward"].ravel(),
        "pscore": whole["propensity"],
        "evaluation_policy_pscore": whole["target_propensity"],
        "pscore_item_position": log["marginal_propensity"].ravel(),
        "evaluation_policy_pscore_item_position": log["target_marginal_propensity"].ravel(),
        "pscore_cascade": cumulative["propensity"].ravel(),
        "evaluation_policy_pscore_cascade": cumulative["target_propensity"].ravel(),
        "q_hat": log["model"].ravel(),
        "evaluation_policy_action_dist": log["onward"].ravel(),
    }
    estimators = {
        "sips": slate.SlateStandardIPS(len_list=slots),
        "iips": slate.SlateIndependentIPS(len_list=slots),
        "rips": slate.SlateRewardInteractionIPS(len_list=slots),
        "snsips": slate.SelfNormalizedSlateStandardIPS(len_list=slots),
        "sniips": slate.SelfNormalizedSlateIndependentIPS(len_list=slots),
        "snrips": slate.SelfNormalizedSlateRewardInteractionIPS(len_list=slots),
        "cascade_dr": slate.SlateCascadeDoublyRobust(len_list=slots, n_unique_action=arms),
    }
    return {name: float(estimator.estimate_policy_value(**given)) for name, estimator in estimators.items()}


if __name__ == "__main__":
    with np.load(sys.argv[1]) as inputs:
        logs = dict(inputs)
    bandits, slates = (
        {name.removeprefix(kind): array for name, array in logs.items() if name.startswith(kind)}
        for kind in ("bandit_", "slate_")
    )
    print(json.dumps({**of_bandits(bandits, float(logs["tuning"])), **of_slates(slates)}))

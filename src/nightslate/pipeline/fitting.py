"""What an issue's learners are, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.policies import LEARNERS, Arms
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.training import AnyLearner, arms_of
from nightslate.pipeline.night import IssueNight


def learners(night: IssueNight) -> dict[str, AnyLearner]:
    """The issue's learners by name, sorted."""
    return {
        name: LEARNERS[spec.kind](**spec.model_dump(exclude={"kind"}))
        for name, spec in sorted(night.issue.learners.items())
    }


def described_arms(night: IssueNight, offered: pa.Table, contexts: Encoder) -> Arms:
    """The arms on offer with their features and what of `contexts` these interact with, in their order."""
    logs = night.program.logs
    return arms_of(offered, logs.arm_features, contexts, logs.crosses)


def categories(night: IssueNight) -> tuple[str, ...]:
    """Those of the context columns whose values have to be counted before they can be encoded."""
    return tuple(feature.name for feature in night.program.context if feature.type == "category")


def model_seed(night: IssueNight, learner: str) -> int:
    """The randomness of a learner's models of this night: the one that is scored with and those evaluated."""
    return seed(night.name, night.issue.name, learner, night.ds.isoformat())


def known_reward_range(night: IssueNight, arms: Iterable[str]) -> RewardRange | None:
    """What one reward of these arms can be; rewards that are estimates may be more."""
    known, rewards = night.issue.evaluation.reward_range, night.issue.rewards
    if known is None or rewards.maturity == "ipcw":
        return None
    return RewardRange(*rewards.less_costs(known, arms))

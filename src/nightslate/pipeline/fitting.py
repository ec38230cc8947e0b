"""What an issue's learners are, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.intervals import INTERVALS, Bootstrap, Interval
from nightslate.core.policies import LEARNERS, Arms
from nightslate.core.policies.beside_arms import BesideArms
from nightslate.core.policies.learner import Policy, State
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.training import AnyLearner, arms_of, encoder_for, with_arms
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.learners import LearnerSpec, ignored_by


def learners(night: IssueNight, epsilons: Mapping[str, float]) -> dict[str, AnyLearner]:
    """The issue's learners by name, sorted. epsilons: of those whose epsilon the night chooses."""
    return {
        name: LEARNERS[spec.kind](**settings(spec, epsilons.get(name)))
        for name, spec in sorted(night.issue.learners.items())
    }


def settings(spec: LearnerSpec, epsilon: float | None) -> dict[str, Any]:
    """What a learner is built with; the epsilon that the night chooses, where it does."""
    said = spec.model_dump(exclude={"kind", "ignores"})
    return said if epsilon is None else {**said, "epsilon": epsilon}


def interval_of(night: IssueNight) -> Interval:
    """How intervals of estimates are made."""
    rules = night.issue.evaluation
    return Bootstrap(rules.resamples) if rules.interval == Bootstrap.name else INTERVALS[rules.interval]


def described_arms(
    night: IssueNight, offered: pa.Table, contexts: Encoder, ignored: Collection[str] = ()
) -> Arms:
    """The arms on offer with their features and what of `contexts` these interact with, in their order; as
    they are to who ignores some of the contexts."""
    logs = night.program.logs
    return arms_of(offered, logs.arm_features, contexts, logs.crosses, ignored)


def arms_by_learner(
    night: IssueNight, offered: pa.Table, contexts: Encoder, learners: Collection[str]
) -> dict[str, Arms]:
    """The same for each learner, those who ignore the same seeing the same."""
    ignored = {name: ignored_by(night.issue.learners[name]) for name in learners}
    described = {each: described_arms(night, offered, contexts, each) for each in {*ignored.values()}}
    return {name: described[each] for name, each in ignored.items()}


def looked_at(arms: Mapping[str, Arms]) -> dict[str, BesideArms]:
    """What of contexts learners look at beside their arms, of those who don't look at all."""
    return {name: each.beside for name, each in arms.items() if each.beside is not None}


def context_encoder(night: IssueNight, counts: Mapping[str, Mapping[str, int]], offered: pa.Table) -> Encoder:
    """Contexts as models see them: categories by the values that were counted, and of features by arm those
    of the arms on offer."""
    return with_arms(encoder_for(night.program.context, counts), night.program.keyed, offered)


def categories(night: Night) -> tuple[str, ...]:
    """Those of the context columns whose values have to be counted before they can be encoded."""
    return tuple(feature.name for feature in night.program.context if feature.type == "category")


def model_seed(night: IssueNight, learner: str) -> int:
    """The randomness of a learner's models of this night: the one that is scored with and those evaluated."""
    return seed(night.name, night.issue.name, learner, night.ds.isoformat())


def fitted_policies(
    night: IssueNight,
    fitted: Mapping[str, AnyLearner],
    states: Mapping[str, tuple[State, ...]],
    arms: Mapping[str, Arms],
) -> dict[str, tuple[Policy, int]]:
    """Of learners in these states their policies, and how many rows each was fitted to. arms: see
    `arms_by_learner`."""
    return {
        name: (learner.fit(states[name][0], arms[name], model_seed(night, name)), states[name][0].rows)
        for name, learner in fitted.items()
    }


def known_reward_range(night: IssueNight, arms: Iterable[str]) -> RewardRange | None:
    """What one reward of these arms can be; rewards that are estimates may be more."""
    known, rewards = night.issue.evaluation.reward_range, night.issue.rewards
    if known is None or rewards.maturity == "ipcw":
        return None
    return RewardRange(*rewards.less_costs(known, arms))

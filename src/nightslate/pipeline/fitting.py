"""What an issue's learners are, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.intervals import INTERVALS, Bootstrap, Interval
from nightslate.core.policies import LEARNERS, Arms
from nightslate.core.policies.beside_arms import BesideArms
from nightslate.core.policies.declared_rule import DeclaredRule
from nightslate.core.policies.learner import Policy, State
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.indicators import AnyEncoder, Indicators, holds
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import AnyLearner, arms_of, encoder_for, with_arms
from nightslate.models.files import ModelFile, scored_by
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.learners import LearnerSpec, RuleLearner, ignored_by
from nightslate.programs.rules import arms_of_lines, types_of_users


def learners(night: IssueNight, epsilons: Mapping[str, float], offered: pa.Table) -> dict[str, AnyLearner]:
    """The issue's learners by name, sorted. epsilons: of those whose epsilon the night chooses; offered: the
    arms that rules are about."""
    learning = {
        name: LEARNERS[spec.kind](**settings(spec, epsilons.get(name)))
        for name, spec in night.issue.learners.items()
        if not isinstance(spec, RuleLearner)
    }
    return dict(sorted({**learning, **declared_rules(night, offered)}.items()))


def declared_rules(night: IssueNight, offered: pa.Table) -> dict[str, DeclaredRule]:
    """Those of the learners that are rules, by name, over the arms on offer."""
    found = {}
    for name, spec in night.issue.learners.items():
        if isinstance(spec, RuleLearner):
            of_lines = arms_of_lines(spec, night.program.logs.arm_features)
            places = (np.flatnonzero(holds(offered, each)).tolist() for each in of_lines)
            found[name] = DeclaredRule(tuple(map(tuple, places)))
    return found


def lines_of_no_arm(night: IssueNight, offered: pa.Table) -> str:
    """A word on lines of rules none of whose arms is on offer: they decide for nobody. Empty where there are
    none."""
    empty = [
        f"learners.{name}.choose.{at}.arms"
        for name, rule in declared_rules(night, offered).items()
        for at, places in enumerate(rule.lines)
        if not places
    ]
    return f"{', '.join(empty)}: no arm on offer on {night.ds} is meant" if empty else ""


def declared_models(
    night: IssueNight, given: Mapping[str, AnyLearner], offered: pa.Table, contexts: Encoder
) -> dict[str, ScoredBy]:
    """The models of those among some learners that are what the program says, whatever is learnt."""
    ids = arm_ids(offered)
    return {
        name: scored_by(
            ModelFile(learner.kind, name, ids, encoder_of(night, name, contexts), learner.over(len(ids)))
        )
        for name, learner in given.items()
        if isinstance(learner, DeclaredRule)
    }


def encoder_of(night: IssueNight, learner: str, contexts: Encoder) -> AnyEncoder:
    """How a learner's policy sees contexts, given how those do that learn: a rule asks whom its lines are
    for."""
    spec = night.issue.learners[learner]
    if not isinstance(spec, RuleLearner):
        return contexts
    return Indicators(tuple(line.when for line in spec.choose), types_of_users(night.issue.context))


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

"""What learners are worth at each epsilon: the rows of the table `sweeps`, and the one that a night plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

from nightslate.core.fitted_q import FittedQPolicy
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import Results
from nightslate.core.policies.epsilon_greedy import EpsilonGreedyPolicy
from nightslate.kernels.cross_fitting import LOGGED
from nightslate.kernels.epsilon_sweeps import best_epsilon, epsilons_between
from nightslate.pipeline.champion_reigns import digest_of
from nightslate.pipeline.fitting import interval_of
from nightslate.pipeline.night import IssueNight
from nightslate.tables import Table

_FIGURES = ("estimator", "value", "stderr", "lower", "upper", "confidence", "ess", "n", "clusters")


@dataclass(frozen=True)
class Swept:
    """By learner its estimates, each of a policy that is called by its epsilon."""

    night: IssueNight
    estimates: Mapping[str, list[Estimate]]

    @classmethod
    def of(
        cls, night: IssueNight, states: Mapping[str, EvaluationState], rewards: RewardRange | None
    ) -> Swept:
        """`rewards`: the range of one, where intervals are guaranteed."""
        confidence, interval = night.issue.evaluation.confidence, interval_of(night)
        values = {
            name: takewhile(
                lambda estimate: estimate.reference is None,
                Results(state, rewards).estimates(confidence, interval),
            )
            for name, state in states.items()
        }
        return cls(
            night,
            {name: [each for each in found if each.policy != LOGGED] for name, found in values.items()},
        )

    def chosen(self) -> dict[str, float]:
        """The epsilon that the night takes of each learner whose epsilon it chooses."""
        ranges = self.night.issue.epsilon_ranges
        return {
            name: best_epsilon(found, ranges[name].least, ranges[name].most)
            for name, found in self.estimates.items()
            if name in ranges
        }

    def rows(self, played: Mapping[str, float]) -> list[dict[str, Any]]:
        """Of the table. `played`: by learner the epsilon that the night has chosen."""
        return [
            {
                "issue": self.night.issue.name,
                "learner": learner,
                "epsilon": float(estimate.policy),
                **{name: getattr(estimate, name) for name in _FIGURES},
                "chosen": float(estimate.policy) == played[learner] if learner in played else None,
            }
            for learner, found in self.estimates.items()
            for estimate in found
        ]


def epsilons_swept(night: IssueNight) -> dict[str, tuple[float, ...]]:
    """By learner whose epsilon the night chooses what it chooses among."""
    ranges = night.issue.epsilon_ranges
    return {name: epsilons_between(ends.least, ends.most) for name, ends in sorted(ranges.items())}


def epsilons_tonight(night: IssueNight, models: Table) -> dict[str, float]:
    """By learner whose epsilon the night chooses the one that its model of tonight has. Raises ContractError
    if the night was not trained."""
    return {
        name: float(cast(EpsilonGreedyPolicy | FittedQPolicy, policy).epsilon)
        for name in night.issue.epsilon_ranges
        for policy in (night.registry.load(digest_of(night, models, name)).policy,)
    }


def in_words(epsilons: Mapping[str, float]) -> str:
    """To end a sentence with; nothing where nothing is chosen."""
    return "".join(f", {name} plays epsilon {epsilon:.3g}" for name, epsilon in sorted(epsilons.items()))


def epsilon_metrics(epsilons: Mapping[str, float]) -> dict[str, float]:
    """For MLflow."""
    return {f"{name}.epsilon": epsilon for name, epsilon in epsilons.items()}

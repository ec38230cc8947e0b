"""What a learner is worth at each of several epsilons, on users that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Float32s, Floats, Ints
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.policies.by_arm import weights_among
from nightslate.core.policies.epsilon_greedy import EpsilonGreedyPolicy
from nightslate.core.policies.exploration import mix_floor
from nightslate.kernels.cross_fitting import CrossFit, Evaluator, Seen, by_users
from nightslate.kernels.folds import Key

EPSILONS: tuple[float, ...] = tuple(np.linspace(0, 2 / 3, 10).tolist())
"""How often the action values of a night are played otherwise than greedily."""

_STEPS, _SWEEP = 10, "sweep of "


def epsilons_between(least: float, most: float) -> tuple[float, ...]:
    """What a night chooses among, and 0, which always shows the best, to compare with."""
    return (*((0.0,) if least > 0 else ()), *np.linspace(least, most, _STEPS).tolist())


def best_epsilon(swept: Sequence[Estimate], least: float, most: float) -> float:
    """That of the highest lower bound among estimates of policies that are called by their epsilons; the
    largest of several, and the most where nothing is known yet: where one knows less, it explores more."""
    bounds = {float(e.policy): e.lower for e in swept if e.lower is not None}
    within = [(lower, epsilon) for epsilon, lower in bounds.items() if least <= epsilon <= most]
    return max(within, default=(0.0, most))[1]


@dataclass(frozen=True)
class EpsilonSweep(Evaluator):
    """The same evaluation of the one policy of `crossfit`, an epsilon-greedy one, at each of `epsilons`."""

    epsilons: tuple[float, ...] = EPSILONS

    @property
    def _weighed(self) -> tuple[str, ...]:
        return tuple(map(str, self.epsilons))

    def _weights(self, seen: Seen) -> Iterator[Float32s]:
        (policies,) = (cast(Sequence[EpsilonGreedyPolicy], each) for each in self.crossfit.policies.values())
        by_fold = [
            (at, policies[fold], policies[fold].expected_rewards(seen.contexts[at]))
            for fold, at in seen.by_fold()
        ]
        for epsilon in self.epsilons:
            weights = np.empty((len(seen.contexts), len(self.arms)), dtype=np.float32)
            for at, policy, expected in by_fold:
                weights[at] = self._at_epsilon(policy, expected, epsilon, seen, at)
            yield weights.take(seen.context_of, axis=0)

    def _at_epsilon(
        self, policy: EpsilonGreedyPolicy, expected: Floats, epsilon: float, seen: Seen, at: Ints
    ) -> Float32s:
        if seen.eligible is None:
            return mix_floor(policy.chosen(expected, epsilon), self.floor)
        return weights_among(
            seen.eligible[at],
            lambda rows, arms: mix_floor(
                policy.among(arms).chosen(expected[np.ix_(rows, arms)], epsilon), self.floor
            ),
        )


@dataclass(frozen=True)
class EpsilonSweeps:
    """By learner its sweep."""

    program: str
    of_learners: Mapping[str, EpsilonSweep]

    @classmethod
    def of(cls, evaluator: Evaluator, epsilons: Mapping[str, tuple[float, ...]], program: str) -> Self:
        """Of the learners that have epsilons, as they are fitted for the evaluation."""
        said = {each.name: getattr(evaluator, each.name) for each in fields(evaluator)}
        fitted = evaluator.crossfit
        return cls(
            program,
            {
                name: EpsilonSweep(
                    **{
                        **said,
                        "crossfit": CrossFit(
                            {name: fitted.policies[name]}, fitted.reward_model, fitted.examination
                        ),
                        "declared": {},
                        "epsilons": swept,
                    }
                )
                for name, swept in epsilons.items()
            },
        )

    def initial(self) -> dict[Key, Any]:
        """What no rows say."""
        return {(_SWEEP + name, 0): sweep.initial(self.program) for name, sweep in self.of_learners.items()}

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users say."""
        for name, sweep in self.of_learners.items():
            state = sweep.initial(self.program)
            for mine in by_users(rows):
                state = sweep.weigh(state, mine, self.program)
            yield (_SWEEP + name, 0), state

    def found(self, states: Mapping[Key, Any]) -> dict[str, EvaluationState]:
        """By learner."""
        return {name: states[_SWEEP + name, 0] for name in self.of_learners}

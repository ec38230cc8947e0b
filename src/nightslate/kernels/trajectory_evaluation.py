"""Cross-fitted off-policy evaluation of trajectories: each user's are weighed by policies, and by models of
what is still to come, that were fitted on the other users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Sums
from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions, evaluate_policy
from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.sample import Logged, effective_size
from nightslate.core.policies import Arms, Uniform
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import LOGGED, add
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.epsilon_sweeps import EPSILONS
from nightslate.kernels.folds import Key
from nightslate.kernels.progressive import Cohorts, Found, Weighed, among, found_of, states_of
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.trajectory_rows import TrajectoryRows, began, chosen_by

SequenceLearner = FittedQ | Uniform

_CROSS_FITTED: Key = ("cross-fitted", 0)
_SWEEP, _WEIGHTS = "sweep", "cumulative weights"


@dataclass(frozen=True)
class SequenceEvaluation:
    """What came of it: the state of all policies, the logged one first, cross-fitted by user; what cohorts
    say, progressively; by learner the state of its action values at every epsilon; and by policy the
    effective number of trajectories (steps,) up to each step."""

    state: EvaluationState
    progressive: Found
    sweeps: Mapping[str, EvaluationState]
    ess_by_step: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class WeightSums(Sums):
    """(2, steps) the sums of cumulative weights, and of their squares, over trajectories."""

    sums: Floats

    @classmethod
    def initial(cls, steps: int) -> Self:
        """Those of no trajectories."""
        return cls(np.zeros((2, steps)))

    def update(self, weights: Floats) -> Self:
        """These, and those of more trajectories (n, steps)."""
        return type(self)(self.sums + np.stack([weights.sum(axis=0), (weights**2).sum(axis=0)]))


@dataclass(frozen=True)
class FoldFit:
    """What is fitted for the users of a fold: a learner's policy, and what is expected under it."""

    policy: Policy
    model: FittedQPolicy


@dataclass(frozen=True)
class SequenceFitter:
    """How learners are fitted to the transitions of some users. `seeds`: of the learners' models. `floor`: of
    a policy's weights, as when it is scored with. `judge`: the iteration of fitted Q evaluation."""

    described: Arms
    learners: Mapping[str, SequenceLearner]
    seeds: Mapping[str, int]
    floor: float
    judge: FittedQ
    discount: float

    def __call__(self, taught: Transitions) -> dict[str, FoldFit]:
        """By learner."""
        judge = replace(self.judge, discount=self.discount)
        fits = {}
        for name, learner in self.learners.items():
            policy = fitted(learner, taught, self.described, self.seeds[name])
            model = evaluate_policy(taught, self._next_weights(policy, taught), judge, self.described, 0)
            fits[name] = FoldFit(policy, model)
        return fits

    def _next_weights(self, policy: Policy, taught: Transitions) -> Floats:
        """(n, A) what the policy does next; nothing where a trajectory ends."""
        weights = np.zeros(taught.next_eligible.shape)
        goes_on = np.flatnonzero(~taught.terminal)
        weights[goes_on] = mix_floor(policy.weights(taught.next_states[goes_on]), self.floor)
        return weights


@dataclass(frozen=True)
class SequenceSetup:
    """What trajectories are weighed by. `folds`: of users. `judged_by`: the estimator of sweeps. `steps`: of
    the longest trajectory. `logged_arms`: those that the logs show at all. `epsilons`: by learner those that
    its action values are played at, `EPSILONS` where it is not named. `rewards`: the range of one, for
    intervals that are guaranteed."""

    program: str
    arms: tuple[str, ...]
    encoder: Encoder
    folds: int
    judged_by: str
    discount: float
    steps: int
    logged_arms: frozenset[str]
    rewards: RewardRange | None = None
    epsilons: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def by_fold(self, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        """The transitions of the users of each fold."""
        fold_of = folds_of(user_keys(rows), self.program, self.folds)
        for fold in np.unique(fold_of):
            yield int(fold), rows.filter(pa.array(fold_of == fold))

    def held(self, rows: pa.Table, arms: tuple[str, ...]) -> TrajectoryRows:
        """Transitions of whole trajectories as arrays."""
        return TrajectoryRows.of_table(rows, self.encoder, arms, self.logged_arms, self.steps, self.discount)

    def empty(self, policies: tuple[str, ...], estimators: tuple[str, ...]) -> EvaluationState:
        """What no trajectories say."""
        bootstrap = seed(self.program, "bootstrap")
        return EvaluationState.initial(
            policies, estimators, slots=self.steps, seed=bootstrap, rewards=self.rewards
        )


@dataclass(frozen=True)
class SequenceSweep:
    """Action values of learners, played epsilon-greedily without a floor. `policies`: for the users of each
    fold what was fitted on all others."""

    setup: SequenceSetup
    policies: Sequence[Mapping[str, FittedQPolicy]]

    def initial(self) -> dict[Key, EvaluationState]:
        """What no trajectories say, by the place of the learner."""
        estimators = (self.setup.judged_by,)
        return {
            (_SWEEP, at): self.setup.empty(tuple(map(str, self._epsilons(name))), estimators)
            for at, name in enumerate(self._learners)
        }

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What the transitions `rows` of all trajectories of some users say."""
        states: dict[Key, Any] = {**self.initial()}
        for fold, mine in self.setup.by_fold(rows):
            held = self.setup.held(mine, self.setup.arms)
            for name, policy in self.policies[fold].items():
                self.add(states, held, name, policy.action_values(held.states))
        yield from states.items()

    def add(self, states: dict[Key, Any], held: TrajectoryRows, learner: str, values: Floats) -> None:
        """Adds what trajectories say of a learner's action values (m, A)."""
        key = (_SWEEP, self._learners.index(learner))
        states[key] = states[key].update(held.of_epsilons(values, self._epsilons(learner)), held.users)

    def found(self, states: Mapping[Key, Any]) -> dict[str, EvaluationState]:
        """By learner."""
        return {name: states[_SWEEP, at] for at, name in enumerate(self._learners)}

    @property
    def _learners(self) -> list[str]:
        return list(self.policies[0])

    def _epsilons(self, learner: str) -> tuple[float, ...]:
        return self.setup.epsilons.get(learner, EPSILONS)


@dataclass(frozen=True)
class SequenceEvaluator:
    """How the trajectories of a night are evaluated. `fits`: for the users of each fold what was fitted on
    all others. `floor`: of a policy's weights. `cohorts`: of the days on which trajectories began."""

    setup: SequenceSetup
    fits: Sequence[Mapping[str, FoldFit]]
    floor: float
    estimators: tuple[str, ...]
    cohorts: Cohorts

    def initial(self) -> dict[Key, Any]:
        """What no trajectories say."""
        names = (LOGGED, *self._learners)
        return {
            _CROSS_FITTED: self.setup.empty(names, self.estimators),
            **self._sweep.initial(),
            **{(_WEIGHTS, at): WeightSums.initial(self.setup.steps) for at in range(len(names))},
            **states_of(self._no_cohorts()),
        }

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What the transitions `rows` of all trajectories of some users say."""
        states, found = self.initial(), self._no_cohorts()
        for fold, mine in self.setup.by_fold(rows):
            held = self.setup.held(mine, self.setup.arms)
            expected = self._add(states, held, self.fits[fold])
            found = self.cohorts.add(found, list(self._by_cohort(mine, expected)))
        yield from {**states, **states_of(found)}.items()

    def found(self, states: Mapping[Key, Any]) -> SequenceEvaluation:
        """What all trajectories say."""
        weights = {name: states[_WEIGHTS, at].sums for at, name in enumerate((LOGGED, *self._learners))}
        return SequenceEvaluation(
            states[_CROSS_FITTED],
            found_of(states, self.cohorts),
            self._sweep.found(states),
            {name: effective_size(*sums) for name, sums in weights.items()},
        )

    @property
    def _learners(self) -> list[str]:
        return list(self.fits[0])

    @cached_property
    def _sweep(self) -> SequenceSweep:
        """Of the learners whose action values there are."""
        policies = [
            {name: fit.policy for name, fit in fits.items() if isinstance(fit.policy, FittedQPolicy)}
            for fits in self.fits
        ]
        return SequenceSweep(self.setup, policies)

    def _no_cohorts(self) -> Found:
        setup = self.setup
        return self.cohorts.initial(self.estimators, setup.steps, setup.program, setup.rewards)

    def _add(
        self, states: dict[Key, Any], held: TrajectoryRows, fits: Mapping[str, FoldFit]
    ) -> dict[str, Floats]:
        """Adds the trajectories of a fold; returns by learner what is expected of each arm (m, A)."""
        samples, expected = {LOGGED: held.of_logging_policy()}, {}
        for name, fit in fits.items():
            if isinstance(fit.policy, FittedQPolicy):
                values = fit.policy.action_values(held.states)
                weights = fit.policy.chosen(values)
                self._sweep.add(states, held, name, values)
            else:
                weights = fit.policy.weights(held.states)
            expected[name] = fit.model.action_values(held.states)
            samples[name] = held.of_policy(mix_floor(weights, self.floor), expected[name])
        states[_CROSS_FITTED] = add(states[_CROSS_FITTED], tuple(samples.values()), held.users, held.ids)
        for at, sample in enumerate(samples.values()):
            states[_WEIGHTS, at] = states[_WEIGHTS, at].update(sample.cumulative_weight)
        return expected

    def _by_cohort(self, rows: pa.Table, expected: Mapping[str, Floats]) -> Iterator[Weighed]:
        """Trajectories by the day on which they began. expected: by learner, what a model that was fitted on
        others expects of each arm (m, A)."""
        begun = began(rows)
        for day in sorted(self.cohorts.by_day.keys() & {*begun.astype(object).tolist()}):
            at, cohort = np.flatnonzero(begun == np.datetime64(day)), self.cohorts.by_day[day]
            shown = rows.take(pa.array(at))
            theirs = self.setup.held(shown, cohort.arms)
            samples: dict[str, Logged] = {LOGGED: theirs.of_logging_policy()}
            for name, model in cohort.models.items():
                weights = model.weights(shown, self.floor)
                samples[name] = theirs.of_policy(
                    weights, among(expected[name][at], self.setup.arms, cohort.arms)
                )
            yield Weighed(
                day, pa.chunked_array([theirs.ids]), theirs.users, chosen_by(shown, theirs), samples
            )


def fitted(learner: SequenceLearner, taught: Transitions, arms: Arms, seed: int) -> Policy:
    """The policy that transitions teach a learner; a uniform one needs none."""
    if isinstance(learner, FittedQ):
        return learner.fit(taught, arms, seed)
    return learner.fit(learner.initial(arms.keys.size, taught.states.shape[1]), arms, seed)

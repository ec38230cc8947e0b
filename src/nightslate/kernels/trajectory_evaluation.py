"""Cross-fitted off-policy evaluation of trajectories: each user's are weighed by policies, and by models of
what is still to come, that were fitted on the other users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Float32s, Floats, Ints, Keys
from nightslate.core.estimators.estimator import RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.sample import Logged, effective_size
from nightslate.core.estimators.target import slot_by_slot
from nightslate.core.estimators.trajectory_sample import TrajectorySample
from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions, choosing, evaluate_policy
from nightslate.core.hashing import seed
from nightslate.core.policies import Arms, Uniform
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import LOGGED, add
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.progressive import Cohorts, Found, Weighed, among
from nightslate.kernels.rewards import arm_places, eligible_arms, folds_of
from nightslate.kernels.transitions import sampled, transitions

SequenceLearner = FittedQ | Uniform

_TINY = 1e-12

EPSILONS: tuple[float, ...] = tuple(np.linspace(0, 2 / 3, 10).tolist())
"""How often the action values of a night are played otherwise than greedily."""


@dataclass
class SequenceEvaluation:
    """What came of it: the state of all policies, the logged one first, cross-fitted by user; what cohorts
    say, progressively; by learner the state of its action values at every epsilon; and by policy the sums (2,
    steps) of cumulative weights and of their squares."""

    state: EvaluationState
    progressive: Found
    sweeps: dict[str, EvaluationState]
    weights: dict[str, Floats] = field(default_factory=dict)

    def ess_by_step(self) -> dict[str, Floats]:
        """By policy, the effective number of trajectories (steps,) up to each step."""
        return {name: effective_size(*sums) for name, sums in self.weights.items()}


@dataclass(frozen=True)
class SequenceEvaluator:
    """How the trajectories of a night are evaluated. `seeds`: of the learners' models. `floor`: of a policy's
    weights, as when it is scored with; action values are swept without one. `judged_by`: the estimator of the
    sweep. `judge`: the iteration of fitted Q evaluation. `rewards`: the range of one, for intervals that are
    guaranteed. `cohorts`: of the days on which trajectories began."""

    program: str
    arms: tuple[str, ...]
    described: Arms
    encoder: Encoder
    learners: Mapping[str, SequenceLearner]
    seeds: Mapping[str, int]
    floor: float
    estimators: tuple[str, ...]
    judged_by: str
    judge: FittedQ
    discount: float
    folds: int
    max_rows: int
    cohorts: Cohorts
    rewards: RewardRange | None = None

    def __call__(self, rows: pa.Table) -> SequenceEvaluation:
        """`rows`: the transitions of whole trajectories."""
        steps = max(1, pc.max(rows["step"]).as_py() or 1)
        found = self._nothing(steps)
        fold_of = folds_of(user_keys(rows), self.program, self.folds)
        for fold in np.unique(fold_of):
            mine, others = (rows.filter(pa.array(which)) for which in (fold_of == fold, fold_of != fold))
            self._add(found, _Held.of(mine, self, steps, rows["arm_id"]), mine, others)
        return found

    def _nothing(self, steps: int) -> SequenceEvaluation:
        def empty(policies: tuple[str, ...], estimators: tuple[str, ...]) -> EvaluationState:
            bootstrap = seed(self.program, "bootstrap")
            return EvaluationState.initial(
                policies, estimators, slots=steps, seed=bootstrap, rewards=self.rewards
            )

        swept = tuple(map(str, EPSILONS))
        return SequenceEvaluation(
            empty((LOGGED, *self.learners), self.estimators),
            self.cohorts.initial(self.estimators, steps, self.program, self.rewards),
            {
                name: empty(swept, (self.judged_by,))
                for name, learner in self.learners.items()
                if isinstance(learner, FittedQ)
            },
        )

    def _add(self, found: SequenceEvaluation, held: _Held, mine: pa.Table, others: pa.Table) -> None:
        """The trajectories of a fold, by what the others teach, and by what was known before each began."""
        taught = transitions(sampled(others, self.max_rows, self.program), self.encoder, self.arms)
        judge = replace(self.judge, discount=self.discount)
        samples, expected = {LOGGED: held.of_logging_policy()}, {}
        for name, learner in self.learners.items():
            policy = fitted(learner, taught, self.described, self.seeds[name])
            model = evaluate_policy(taught, self._next_weights(policy, taught), judge, self.described, 0)
            if isinstance(policy, FittedQPolicy):
                values = policy.action_values(held.states)
                weights = policy.chosen(values)
                found.sweeps[name] = found.sweeps[name].update(held.of_epsilons(values), held.users)
            else:
                weights = policy.weights(held.states)
            expected[name] = model.action_values(held.states)
            samples[name] = held.of_policy(mix_floor(weights, self.floor), expected[name])
        found.state = add(found.state, tuple(samples.values()), held.users, held.ids)
        for name, sample in samples.items():
            weight = sample.cumulative_weight
            sums = np.stack([weight.sum(axis=0), (weight**2).sum(axis=0)])
            found.weights[name] = found.weights.get(name, 0.0) + sums

        weighed = list(self._by_cohort(mine, held, expected))
        found.progressive = self.cohorts.add(found.progressive, weighed)

    def _by_cohort(self, rows: pa.Table, held: _Held, expected: Mapping[str, Floats]) -> Iterator[Weighed]:
        """Trajectories by the day on which they began. expected: by learner, what a model that was fitted on
        others expects of each arm (m, A)."""
        began = _began(rows)
        for day in sorted(self.cohorts.by_day.keys() & {*began.astype(object).tolist()}):
            at, cohort = np.flatnonzero(began == np.datetime64(day)), self.cohorts.by_day[day]
            shown = rows.take(pa.array(at))
            theirs = _Held.of(shown, replace(self, arms=cohort.arms), held.steps, rows["arm_id"])
            samples: dict[str, Logged] = {LOGGED: theirs.of_logging_policy()}
            for name, model in cohort.models.items():
                weights = model.weights(shown, self.floor)
                samples[name] = theirs.of_policy(weights, among(expected[name][at], self.arms, cohort.arms))
            yield Weighed(
                day, pa.chunked_array([theirs.ids]), theirs.users, _chosen_by(shown, theirs), samples
            )

    def _next_weights(self, policy: Policy, taught: Transitions) -> Floats:
        """(n, A) what the policy does next; nothing where a trajectory ends."""
        weights = np.zeros(taught.next_eligible.shape)
        goes_on = np.flatnonzero(~taught.terminal)
        weights[goes_on] = mix_floor(policy.weights(taught.next_states[goes_on]), self.floor)
        return weights


def _chosen_by(rows: pa.Table, held: _Held) -> pa.ChunkedArray:
    """(n,) the learner that chose every decision of a trajectory; null where it was not always the same."""
    names = pc.fill_null(rows["policy"], "").combine_chunks().dictionary_encode()
    codes, n = np.asarray(names.indices), len(held.users)
    least, most = np.full(n, len(names.dictionary)), np.full(n, -1)
    np.minimum.at(least, held.trajectory, codes)
    np.maximum.at(most, held.trajectory, codes)
    one = pc.if_else(pa.array(least == most), names.dictionary.take(pa.array(most)), None)
    return pa.chunked_array([pc.if_else(pc.equal(one, ""), None, one)])


def _began(rows: pa.Table) -> NDArray[np.datetime64]:
    """(m,) the day of the first decision of each decision's trajectory."""
    ids = rows["trajectory_id"].combine_chunks().dictionary_encode()
    trajectory, first = np.asarray(ids.indices), np.flatnonzero(rows["step"].to_numpy() == 1)
    days = rows["occurred_at"].to_numpy().astype("datetime64[D]")
    began = np.full(len(ids.dictionary), np.datetime64("NaT"), dtype="datetime64[D]")
    began[trajectory[first]] = days[first]
    return np.asarray(began[trajectory])


def fitted(learner: SequenceLearner, taught: Transitions, arms: Arms, seed: int) -> Policy:
    """The policy that transitions teach a learner; a uniform one needs none."""
    if isinstance(learner, FittedQ):
        return learner.fit(taught, arms, seed)
    return learner.fit(learner.initial(arms.keys.size, taught.states.shape[1]), arms, seed)


@dataclass(frozen=True, eq=False)
class _Held:
    """The trajectories of a fold, m decisions of n trajectories: of each decision its trajectory's place and
    its step (m,), the state (m, d), which arm was shown (m,) and which could be (m, A), reward and propensity
    (m,); of each trajectory its id and its user's key (n,). supported (A,): which arms the logs show
    at all."""

    ids: pa.Array
    trajectory: Ints
    step: Ints
    steps: int
    discount: float
    states: Floats
    shown: Ints
    eligible: Bools
    reward: Floats
    propensity: Floats
    users: Keys
    supported: Bools

    @classmethod
    def of(cls, rows: pa.Table, evaluator: SequenceEvaluator, steps: int, logged: pa.ChunkedArray) -> Self:
        """`rows`: those of the fold. logged: the arms of all rows that there are."""
        ids = rows["trajectory_id"].combine_chunks().dictionary_encode()
        trajectory, step = np.asarray(ids.indices, dtype=np.int64), rows["step"].to_numpy()
        users = np.empty(len(ids.dictionary), dtype=np.uint64)
        users[trajectory] = user_keys(rows)
        return cls(
            ids=ids.dictionary,
            trajectory=trajectory,
            step=step.astype(np.int64),
            steps=steps,
            discount=evaluator.discount,
            states=evaluator.encoder(rows),
            shown=arm_places(rows, evaluator.arms),
            eligible=eligible_arms(rows, evaluator.arms),
            reward=rows["reward"].to_numpy(),
            propensity=rows["propensity"].to_numpy(),
            users=users,
            supported=np.asarray(pc.is_in(pa.array(evaluator.arms), value_set=pc.unique(logged))),
        )

    def of_policy(self, weights: Float32s | Floats, values: Floats) -> TrajectorySample:
        """The sample of a policy with these weights (m, A), and what a model expects of each arm (m, A)."""
        shown = self.shown[:, None]
        target = slot_by_slot(
            weights, shown, np.ones_like(shown, np.bool_), values, self.supported, self.eligible
        )
        return self._sample(
            target.propensity[:, 0], target.q_logged[:, 0], target.v_target[:, 0], target.unsupported_mass
        )

    def of_epsilons(self, values: Floats) -> list[TrajectorySample]:
        """A sample for each of `EPSILONS`, of action values (m, A) that are their own model."""
        return [
            self.of_policy(choosing(values, "epsilon_greedy", epsilon=epsilon), values)
            for epsilon in EPSILONS
        ]

    def of_logging_policy(self) -> TrajectorySample:
        """What was logged, whose weights are 1: a model that knows what came makes every estimate of it the
        mean of what came."""
        discounted = self.discount ** (self.step - 1) * self.reward
        order = np.lexsort((-self.step, self.trajectory))  # of each trajectory the last step first
        sums = np.cumsum(discounted[order])
        begins = np.append(True, np.diff(self.trajectory[order]) != 0)[: order.size]
        before = np.append(0.0, sums)[np.flatnonzero(begins)]
        to_come = np.empty(order.size)
        to_come[order] = sums - before[np.cumsum(begins) - 1]
        to_come /= self.discount ** (self.step - 1)
        return self._sample(self.propensity, to_come, to_come, np.zeros(order.size))

    def _sample(
        self, propensity: Floats, q_logged: Floats, v_target: Floats, unsupported: Floats
    ) -> TrajectorySample:
        supported = np.exp(np.bincount(self.trajectory, np.log1p(-np.minimum(unsupported, 1 - _TINY))))
        columns = {
            "reward": self.reward,
            "propensity": self.propensity,
            "target_propensity": propensity,
            "q_logged": q_logged,
            "v_target": v_target,
            "unsupported_mass": np.clip(1 - supported, 0.0, 1.0)[self.trajectory],
        }
        return TrajectorySample.of_rows(self.trajectory, self.step, columns, self.steps, self.discount)

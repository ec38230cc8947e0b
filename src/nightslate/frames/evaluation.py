"""Cross-fitted off-policy evaluation: each user's rows are weighed by policies fitted on the other users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from nightslate.core.arrays import Bools, Float32s, Floats
from nightslate.core.estimators.estimator import RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.sample import Logged, Sample
from nightslate.core.estimators.slate_sample import SlateSample
from nightslate.core.estimators.target import Target, in_slots, in_turn
from nightslate.core.hashing import deal, seed
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy, RewardModel
from nightslate.frames.decisions import Decisions
from nightslate.frames.encoding import Encoder
from nightslate.frames.examination import Examination
from nightslate.frames.folds import Key, merged
from nightslate.frames.samples import Sample as Logs
from nightslate.frames.samples import arm_places, eligible_arms, folds_of, user_keys, weighable

LOGGED = "logged"
"""The policy that was live, whose value needs no weights: beside it the others are read."""

_NAME = "evaluation"
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class CrossFit:
    """For each fold, what was fitted without its users: the policies by name, the reward model of DR, and how
    likely slots are looked at; none where no slot is told from another."""

    policies: Mapping[str, Sequence[Policy]]
    reward_model: Sequence[RewardModel]
    examination: Sequence[Examination] = ()


@dataclass(frozen=True)
class Evaluator:
    """How a night evaluates. `supported` (arms,): whether the logs show the arm at all. `slots`: of a
    decision that is weighed as a whole; 1 where impressions stand alone. `rewards`: the range of one, for
    intervals that are guaranteed."""

    arms: tuple[str, ...]
    supported: Bools
    encoder: Encoder
    floor: float
    estimators: tuple[str, ...]
    slots: int
    crossfit: CrossFit
    rewards: RewardRange | None = None

    @property
    def folds(self) -> int:
        return len(self.crossfit.reward_model)

    def initial(self, program: str) -> EvaluationState:
        """The state of no rows."""
        policies = (LOGGED, *self.crossfit.policies)
        return EvaluationState.initial(
            policies,
            self.estimators,
            slots=self.slots,
            seed=seed(program, "bootstrap"),
            rewards=self.rewards,
        )

    def update(self, state: EvaluationState, rows: pa.Table, program: str) -> EvaluationState:
        """`state` and all matured rows of some users, but for those whose propensities are not of the kind
        that they are weighed by. Weights of all arms for all rows would fill the memory of large buckets:
        users are taken some at a time, each with all rows."""
        if self.slots == 1:
            rows = rows.filter(pa.array(weighable(rows, "marginal")))
        of_row = user_keys(rows)
        parts = -(-rows.num_rows // _ROWS_AT_ONCE)
        part_of = folds_of(of_row, program, self.folds) * parts + deal(of_row, seed("evaluate"), parts)
        for part in np.unique(part_of):
            mine, fold = rows.filter(pa.array(part_of == part)), int(part) // parts
            if self.slots > 1:
                decisions = Decisions.of(mine, self.arms, self.slots)
                samples, users = self._of_decisions(decisions, fold), user_keys(decisions.first)
            else:
                samples, users = self._of_impressions(mine, fold), user_keys(mine)
            state = state.update(samples, users)
        return state

    def _of_impressions(self, rows: pa.Table, fold: int) -> list[Logged]:
        """A sample for each policy, of single impressions."""
        contexts, slots = self.encoder(rows), rows["slot"].to_numpy()
        shown, eligible = arm_places(rows, self.arms), eligible_arms(rows, self.arms)
        q = self.crossfit.reward_model[fold].expected_rewards(contexts)
        examination = self.crossfit.examination
        e = examination[fold].of(rows) if examination else 1.0
        targets = [
            in_slots(weights, shown, slots, q, self.supported, eligible, e)
            for weights in self._weights(contexts, fold)
        ]
        return _samples(Sample, rows["reward"].to_numpy(), rows["propensity"].to_numpy(), targets)

    def _of_decisions(self, decisions: Decisions, fold: int) -> list[Logged]:
        """A sample for each policy, of whole decisions."""
        contexts, eligible = self.encoder(decisions.first), eligible_arms(decisions.first, self.arms)
        q = self.crossfit.reward_model[fold].expected_rewards(contexts)
        examination = self.crossfit.examination
        e = examination[fold].of_all_slots(decisions.first) if examination else 1.0
        targets = [
            in_turn(weights, decisions.shown, decisions.has_slot, q, self.supported, eligible, e)
            for weights in self._weights(contexts, fold)
        ]
        return _samples(SlateSample, decisions.reward, decisions.propensity, targets)

    def _weights(self, contexts: Floats, fold: int) -> Iterator[Float32s]:
        """(n, arms) of each policy, as they would be stored."""
        for policies in self.crossfit.policies.values():
            yield mix_floor(policies[fold].weights(contexts), self.floor)


def evaluate(spark: SparkSession, logs: Logs, evaluator: Evaluator) -> EvaluationState:
    """One pass over the buckets of the logs; the driver merges one state a bucket."""
    initial, key = evaluator.initial(logs.program), (_NAME, 0)

    def update(rows: pa.Table) -> Iterator[tuple[Key, EvaluationState]]:
        yield key, evaluator.update(initial, rows, logs.program)

    return merged(spark, logs, {key: initial}, update)[key]


def _samples(
    kind: type[Sample] | type[SlateSample], reward: Floats, propensity: Floats, targets: list[Target]
) -> list[Logged]:
    """What is logged beside each target, the logging policy itself first."""
    q_logged = targets[0].q_logged
    logging = Target(propensity, q_logged, q_logged, np.zeros(len(reward)))
    return [
        kind(
            reward=reward,
            propensity=propensity,
            target_propensity=target.propensity,
            q_logged=q_logged,
            v_target=target.v_target,
            unsupported_mass=np.minimum(target.unsupported_mass, 1.0),
        )
        for target in (logging, *targets)
    ]

"""Cross-fitted off-policy evaluation: each user's rows are weighed by policies fitted on the other users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.hashing import seed
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy, RewardModel
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.frames.buckets import map_buckets
from nightslate.frames.encoding import Encoder
from nightslate.frames.packing import pack, unpack
from nightslate.frames.samples import arm_places, folds_of, user_keys
from nightslate.frames.training import Sample

LOGGED = "logged"
"""The policy that was live, whose value needs no weights: beside it the others are read."""

_STATES = pa.schema([("bucket", pa.int32()), ("state", pa.binary())])


@dataclass(frozen=True)
class CrossFit:
    """For each fold, what was fitted without its users: the policies by name, and the reward model of DR."""

    policies: Mapping[str, Sequence[Policy]]
    reward_model: Sequence[RewardModel]


@dataclass(frozen=True)
class Evaluator:
    """How a night evaluates. `supported` (arms,): whether the logs show the arm at all."""

    arms: tuple[str, ...]
    supported: Bools
    encoder: Encoder
    floor: float
    resamples: int
    crossfit: CrossFit

    @property
    def folds(self) -> int:
        return len(self.crossfit.reward_model)

    def initial(self, program: str) -> EvaluationState:
        """The state of no rows."""
        policies = (LOGGED, *self.crossfit.policies)
        return EvaluationState.initial(policies, self.resamples, seed(program, "bootstrap"))

    def update(self, state: EvaluationState, rows: pa.Table, program: str) -> EvaluationState:
        """`state` and the matured rows of some users."""
        users, places = user_keys(rows), arm_places(rows, self.arms)
        reward, propensity = rows["reward"].to_numpy(), rows["propensity"].to_numpy()
        contexts, slots = self.encoder(rows), rows["slot"].to_numpy()
        fold_of = folds_of(users, program, self.folds)
        for fold in np.unique(fold_of):
            mine = fold_of == fold
            q = self.crossfit.reward_model[fold].expected_rewards(contexts[mine])
            q_logged = _at(q, places[mine])
            targets = [(propensity[mine], q_logged, np.zeros(len(q)))] + [
                self._target(policies[fold], contexts[mine], slots[mine], places[mine], q)
                for policies in self.crossfit.policies.values()
            ]
            target_propensity, v_target, unsupported_mass = map(np.column_stack, zip(*targets, strict=True))
            state = state.update(
                reward=reward[mine],
                propensity=propensity[mine],
                target_propensity=target_propensity,
                q_logged=q_logged,
                v_target=v_target,
                unsupported_mass=unsupported_mass,
                cluster=users[mine],
            )
        return state

    def _target(
        self, policy: Policy, contexts: Floats, slots: Ints, places: Ints, q: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Of one policy, for each row: the probability of the logged arm in its slot, the expected reward of
        the slot, and the probability of arms that the logs never show."""
        weights = mix_floor(policy.weights(contexts), self.floor)
        in_slot = np.empty(weights.shape)
        for slot in np.unique(slots):
            rows = slots == slot
            in_slot[rows] = marginal_propensities(weights[rows], int(slot))
        return _at(in_slot, places), (in_slot * q).sum(axis=1), in_slot[:, ~self.supported].sum(axis=1)


def evaluate(spark: SparkSession, sample: Sample, evaluator: Evaluator) -> EvaluationState:
    """One pass over the buckets of the sample; the driver merges one state a bucket."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        rows = sample.of(tables)
        if rows.num_rows:
            state = evaluator.update(evaluator.initial(sample.program), rows, sample.program)
            packed = {"bucket": [bucket], "state": [pack(state.arrays())]}
            yield from pa.table(packed, schema=_STATES).to_batches()

    found = map_buckets(spark, sample.inputs, kernel, from_arrow_schema(_STATES), sample.buckets).toArrow()
    state = evaluator.initial(sample.program)
    for row in found.sort_by("bucket").to_pylist():
        state = state.merge(EvaluationState.from_arrays(unpack(row["state"])))
    return state


def _at(values: Floats, places: Ints) -> Floats:
    """(n,) each row's value at its logged arm; 0 where the arm is gone: no policy would show it today."""
    return np.where(places >= 0, values[np.arange(len(places)), np.maximum(places, 0)], 0.0)

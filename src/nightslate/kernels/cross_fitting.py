"""Cross-fitted off-policy evaluation: each user's rows are weighed by policies fitted on the other users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Float32s, Floats, Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.sample import Logged
from nightslate.core.policies.by_arm import weights_among
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy, RewardModel
from nightslate.kernels.buckets import dealt_out, user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.examination import Examination
from nightslate.kernels.rewards import Costs, folds_of
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.units import Units, samples_of, units_of

LOGGED = "logged"
"""The policy that was live, whose value needs no weights: beside it the others are read."""

_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class CrossFit:
    """For each fold, what was fitted without its users: the policies by name, the reward model of DR, and how
    likely slots are looked at; none where no slot is told from another."""

    policies: Mapping[str, Sequence[Policy]]
    reward_model: Sequence[RewardModel]
    examination: Sequence[Examination] = ()


@dataclass(frozen=True)
class Seen:
    """What models look at: m contexts (m, d) that differ, or are of users of other folds; which of them each
    unit has (n,); and the fold of each unit (n,). eligible (m, arms): which arms policies choose among, None
    for all; contexts differ in them, too."""

    contexts: Floats
    context_of: Ints
    fold_of: Ints
    eligible: Bools | None = None

    def by_fold(self) -> Iterator[tuple[int, Ints]]:
        """The folds, and the places of the contexts of their users."""
        fold_of = np.empty(len(self.contexts), dtype=np.int64)
        fold_of[self.context_of] = self.fold_of
        for fold in np.unique(fold_of):
            yield int(fold), np.flatnonzero(fold_of == fold)


@dataclass(frozen=True)
class Evaluator:
    """How a night evaluates. `supported` (arms,): whether the logs show the arm at all. `slots`: of a
    decision that is weighed as a whole; 1 where impressions stand alone. `rewards`: the range of one, for
    intervals that are guaranteed. `costs`: what showing arms costs. `restricted`: whether policies know
    which arms a user can get, and choose among them; else arms are taken out of what they chose. `declared`:
    models of the same arms that nothing is fitted for: no fold has another."""

    arms: tuple[str, ...]
    supported: Bools
    encoder: Encoder
    floor: float
    estimators: tuple[str, ...]
    slots: int
    crossfit: CrossFit
    rewards: RewardRange | None = None
    costs: Costs = field(default_factory=dict)
    restricted: bool = False
    declared: Mapping[str, ScoredBy] = field(default_factory=dict)

    @property
    def folds(self) -> int:
        return len(self.crossfit.reward_model)

    def initial(self, program: str) -> EvaluationState:
        """The state of no rows."""
        policies = (LOGGED, *self._weighed, *self.declared)
        return EvaluationState.initial(
            policies,
            self.estimators,
            slots=self.slots,
            seed=seed(program, "bootstrap"),
            rewards=self.rewards,
        )

    def weigh(self, state: EvaluationState, rows: pa.Table, program: str) -> EvaluationState:
        """`state` and all matured rows of some users, but for those whose propensities are not of the kind
        that they are weighed by. The weights of all arms for all of them are in memory: see `by_users`."""
        units = units_of(rows, self.arms, self.slots)
        seen = self._seen(units, program)
        q, examined = self._expectations(units, seen)
        costs = self.costs_apart(self.arms)
        declared = (self.weights_of(model, units) for model in self.declared.values())
        targets = [
            units.target(weights, q, self.supported, examined, costs)
            for weights in chain(self._weights(seen), declared)
        ]
        return add(state, samples_of(units, targets), units.users, units.ids)

    def expectations(self, units: Units, program: str) -> tuple[Floats, Floats | float]:
        """What a model that was fitted on other users expects of each arm (n, arms), looked at and before
        `costs_apart`; and how likely the slots are that."""
        return self._expectations(units, self._seen(units, program))

    def costs_apart(self, arms: Sequence[str]) -> Floats | None:
        """(arms,) what showing each costs, where what it earns depends on whether it is looked at: its cost
        does not. None where costs are a part of what is expected."""
        if not (self.costs and self.crossfit.examination):
            return None
        return np.array([self.costs.get(arm, 0.0) for arm in arms])

    @property
    def _weighed(self) -> tuple[str, ...]:
        """The policies that `_weights` are of."""
        return tuple(self.crossfit.policies)

    def _seen(self, units: Units, program: str) -> Seen:
        fold_of = folds_of(units.users, program, self.folds)
        if not self.restricted:
            first, context_of = self.encoder.distinct(units.first, apart=fold_of)
            return Seen(self.encoder(units.first.take(pa.array(first))), context_of, fold_of)
        sets, set_of = np.unique(units.eligible, axis=0, return_inverse=True)
        apart = fold_of * len(sets) + set_of
        first, context_of = self.encoder.distinct(units.first, apart=apart)
        contexts = self.encoder(units.first.take(pa.array(first)))
        return Seen(contexts, context_of, fold_of, units.eligible[first])

    def weights_of(self, model: ScoredBy, units: Units) -> Float32s:
        """(n, model's arms) of a model for units over its arms, as they would be stored."""
        if self.restricted:
            return model.weights_among(units.first, self.floor, units.eligible)
        return model.weights(units.first, self.floor)

    def _expectations(self, units: Units, seen: Seen) -> tuple[Floats, Floats | float]:
        q = np.empty((len(seen.contexts), len(self.arms)))
        for fold, at in seen.by_fold():
            q[at] = self.crossfit.reward_model[fold].expected_rewards(seen.contexts[at])
        costs = self.costs_apart(self.arms)
        if costs is not None:
            q += costs
        examined = np.ones(units.reward.shape)
        for fold, examination in enumerate(self.crossfit.examination):
            mine = np.flatnonzero(seen.fold_of == fold)
            examined[mine] = units.examined(examination, mine)
        return q.take(seen.context_of, axis=0), examined

    def _weights(self, seen: Seen) -> Iterator[Float32s]:
        """(n, arms) of each policy, as they would be stored: of each user by what others taught."""
        for policies in self.crossfit.policies.values():
            weights = np.empty((len(seen.contexts), len(self.arms)), dtype=np.float32)
            for fold, at in seen.by_fold():
                weights[at] = self._of_fold(policies[fold], seen, at)
            yield weights.take(seen.context_of, axis=0)

    def _of_fold(self, policy: Policy, seen: Seen, at: Ints) -> Float32s:
        contexts = seen.contexts[at]
        if seen.eligible is None:
            return mix_floor(policy.weights(contexts), self.floor)
        return weights_among(
            seen.eligible[at],
            lambda rows, arms: mix_floor(policy.among(arms).weights(contexts[rows]), self.floor),
        )


def add(
    state: EvaluationState, samples: Sequence[Logged], users: Keys, ids: pa.Array | pa.ChunkedArray
) -> EvaluationState:
    """The state and n more units: a sample for each policy, the key of each unit's user and its id (n,)."""
    unit = samples[0].unit
    return state.update(samples, users, lambda place: f"{unit} {ids[place].as_py()}")


def by_users(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows in parts, each with all rows of its users: weights of all arms for all rows of a large bucket
    would fill the memory."""
    parts = -(-rows.num_rows // _ROWS_AT_ONCE)
    if parts > 1:
        yield from (mine for _, mine in dealt_out(rows, deal(user_keys(rows), seed("evaluate"), parts)))
    elif parts:
        yield rows

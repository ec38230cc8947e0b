"""Learners' sufficient statistics over matured impressions, by fold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core import npz
from nightslate.core.arrays import ArrayRecord, Bools, Floats, Ints
from nightslate.core.hashing import seed
from nightslate.core.ope.bounded_model import Winsorised, inner_range
from nightslate.core.policies.beside_arms import BesideArms
from nightslate.core.policies.learner import Arms, Learner, State
from nightslate.errors import ContractError
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import ByArm, Encoder, Intervals, Places, crossed, most_frequent
from nightslate.kernels.examination import POSITION_COLUMNS, Examination
from nightslate.kernels.folds import Key, of_others, states_of_others
from nightslate.kernels.rewards import Matured, arm_places, costs_of, folds_of
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import ArmFeature

AnyLearner = Learner[Any]

MOST_VALUES = 200
"""Of a key of arms: contexts have a number for each, and so has what is learnt of each arm."""

_ROWS_AT_ONCE = 1 << 17
"""Vectors of so many rows are in memory at a time, however many a bucket has."""


def arm_key(arm_id: str) -> int:
    """What stands for an arm wherever it needs randomness of its own."""
    return seed("arm", arm_id)


def arms_of(
    rows: pa.Table,
    features: Sequence[ArmFeature],
    contexts: Encoder,
    crosses: Sequence[tuple[str, str]] | None = None,
    ignored: Collection[str] = (),
) -> Arms:
    """The rows of the table `arms` as learners know them, categories by the values of these rows; `crosses`:
    the pairs of a feature of contexts and one of arms that interact, None being all; `ignored`: features of
    contexts that are not looked at."""
    encoder = arm_encoder(rows, features)
    keys = np.array([arm_key(arm) for arm in rows["arm_id"].to_pylist()], dtype=np.uint64)
    seen, interacting = contexts.of_one_arm(ignored), None
    if crosses is not None:
        interacting = crossed(seen, encoder, [cross for cross in crosses if cross[0] not in ignored])
    return Arms(keys, encoder(rows), interacting, contexts.beside(rows, ignored))


def arm_encoder(rows: pa.Table, features: Sequence[ArmFeature]) -> Encoder:
    """What these rows of the table `arms` are as vectors."""
    counts = {feature.name: Counter(rows[feature.name].drop_null().to_pylist()) for feature in features}
    return encoder_for(features, counts)


def winsorised(encoder: Encoder, counts: Mapping[str, Mapping[str, int]]) -> Winsorised:
    """The numbers that an encoder leaves as they are, cut at what nearly all that were counted are within."""
    bounds = dict[int, tuple[float, float]]()
    for name, places in zip(encoder.features, encoder.places, strict=True):
        if places is None or (isinstance(places, ByArm) and not places.boundaries):
            low, high = inner_range({float(value): n for value, n in counts[name].items()})
            if places is not None:  # only what is not the default was counted
                low, high = min(low, places.default), max(high, places.default)
            at = encoder.slices[name]
            bounds |= dict.fromkeys(range(at.start, at.stop), (low, high))
    return Winsorised.of(encoder.width, bounds)


@dataclass(frozen=True, eq=False)
class Earned(ArrayRecord):
    """The least and the most () that any of some impressions has earned; of none they are infinite, the
    least above the most."""

    low: Floats
    high: Floats

    @classmethod
    def initial(cls) -> Self:
        """Of no impressions."""
        return cls(np.asarray(np.inf), np.asarray(-np.inf))

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Of impressions with rewards."""
        rewards = rows["reward"].to_numpy()
        return cls(np.asarray(rewards.min(initial=np.inf)), np.asarray(rewards.max(initial=-np.inf)))

    def merge(self, other: Self) -> Self:
        """Of the impressions of both."""
        return type(self)(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    @property
    def range(self) -> tuple[float | None, float | None]:
        """Both, None of no impressions."""
        return (float(self.low), float(self.high)) if self.low <= self.high else (None, None)


def encoder_for(features: Sequence[ArmFeature], counts: Mapping[str, Mapping[str, int]]) -> Encoder:
    """The encoder of features, their categories by the values that were counted."""

    def places(feature: ArmFeature) -> Places:
        if feature.type == "category":
            return most_frequent(dict(counts[feature.name]))
        return Intervals(feature.boundaries) if feature.boundaries else None

    return Encoder(tuple(feature.name for feature in features), tuple(map(places, features)))


def with_arms(encoder: Encoder, features: Sequence[KeyedFeature], arms: pa.Table) -> Encoder:
    """The encoder, and after what it has a number of each feature for each of some rows of the table `arms`.
    Raises ContractError where they are too many to have one each."""
    values = {each.by: tuple(sorted(pc.unique(arms[each.by]).drop_null().to_pylist())) for each in features}
    for each in features:
        if len(values[each.by]) > MOST_VALUES:
            raise ContractError(
                f"features.{each.name}: {len(values[each.by])} values of {each.by} are on offer, and policies"
                f" look at {MOST_VALUES} at most; tell arms apart by a category that has fewer"
            )
    return Encoder(
        (*encoder.features, *(each.name for each in features)),
        (
            *encoder.places,
            *(ByArm(each.by, values[each.by], each.default, each.boundaries) for each in features),
        ),
    )


@dataclass(frozen=True)
class Lessons:
    """What rows teach learners, by fold of users. Arms are matched by id; rows of arms that are gone teach
    nothing about those that are there.

    `examined`: for the users of each fold, how likely slots are looked at. Rows then teach each fold anew,
    for what they say depends on it; otherwise each row is seen once. `seen_as`: for some learners, what is
    made of contexts before they see them. `beside`: what of contexts each sees beside an arm, where it is
    not all of it."""

    matured: Matured
    learners: Mapping[str, AnyLearner]
    encoder: Encoder
    arms: tuple[str, ...]
    folds: int
    examined: Sequence[Examination] = ()
    seen_as: Mapping[str, Winsorised] = field(default_factory=dict)
    beside: Mapping[str, BesideArms] = field(default_factory=dict)

    def initial(self) -> dict[Key, State]:
        """By learner and fold the state of no rows, of learners that learn the same the first one's."""
        return {
            (name, fold): self._nothing(name)
            for name in sorted({*self._taught_as.values()})
            for fold in range(self.folds)
        }

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, State]]:
        """By learner and fold what impressions of some users teach."""
        states = self.initial()
        for begin in range(0, rows.num_rows, _ROWS_AT_ONCE):
            self._learn(rows.slice(begin, _ROWS_AT_ONCE), states)
        yield from states.items()

    def digest(self, rows: pa.Table) -> bytes:
        """The SHA-256 of all that some users' impressions are to learners who don't look at users and slots:
        equal digests, equal lessons."""
        found = hashlib.sha256()
        for begin in range(0, rows.num_rows, _ROWS_AT_ONCE):
            some = rows.slice(begin, _ROWS_AT_ONCE)
            seen = (self.encoder(some), arm_places(some, self.arms), some["reward"].to_numpy())
            for values in (*seen, self.matured.ages(some)):
                found.update(np.ascontiguousarray(values).tobytes())
        return found.digest()

    def states(self, found: Mapping[Key, State]) -> dict[str, tuple[State, ...]]:
        """By learner, for the users of each fold, the state of what all others teach; of what everyone
        teaches, where there is one fold only."""
        states = {
            name: tuple(found[name, fold] for fold in range(self.folds))
            for name in {*self._taught_as.values()}
        }
        if not self.examined:
            states = {name: states_of_others(parts) for name, parts in states.items()}
        return {name: states[taught_as] for name, taught_as in self._taught_as.items()}

    @cached_property
    def _taught_as(self) -> dict[str, str]:
        """By learner the first of those that are in the same state whatever the rows."""
        found: dict[str, str] = {}
        for name in self.learners:
            found[name] = next((other for other in found if self._learn_the_same(name, other)), name)
        return found

    def _learn_the_same(self, name: str, other: str) -> bool:
        """Whether the states of two learners start alike and are taught alike."""
        (one, before), (another, before_another) = (
            (self.learners[each], self._nothing(each)) for each in (name, other)
        )
        return (
            type(before) is type(before_another)
            and one.forgetting == another.forgetting
            and self.seen_as.get(name) is self.seen_as.get(other)
            and self.beside.get(name) is self.beside.get(other)
            and npz.pack(before.arrays()) == npz.pack(before_another.arrays())
        )

    def _nothing(self, name: str) -> State:
        features = self.beside[name].features if name in self.beside else self.encoder.width
        state: State = self.learners[name].initial(len(self.arms), features)
        return state

    @property
    def columns(self) -> tuple[str, ...]:
        """What is looked at of each row, besides what its reward comes from."""
        of_user = ("user_id",) if self.folds > 1 else ()
        of_slot = ("slot", *POSITION_COLUMNS) if self.examined else ()
        return (*of_user, "occurred_at", "arm_id", *self.encoder.features, *of_slot)

    def _learn(self, rows: pa.Table, states: dict[Key, State]) -> None:
        places = arm_places(rows, self.arms)
        if places.min(initial=0) < 0:
            rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
        contexts, rewards = self.encoder(rows), rows["reward"].to_numpy()
        costs = self._costs_apart(rows)
        ages = self.matured.ages(rows)
        taught = dict.fromkeys(self._taught_as.values())
        seen_by = {**dict.fromkeys(taught, contexts), **{n: see(contexts) for n, see in self.seen_as.items()}}
        seen_by |= {name: self.beside[name](seen_by[name], places) for name in taught if name in self.beside}
        for fold, mine, e in self._by_fold(rows):
            at = slice(None) if mine.all() else np.flatnonzero(mine)
            for name in taught:
                forgetting = self.learners[name].forgetting
                weights = e[at] * forgetting ** ages[at] if self.examined or forgetting < 1 else None
                if costs is None:
                    worth = rewards[at] / e[at]
                else:
                    worth = (rewards[at] + costs[at]) / e[at] - costs[at]
                states[name, fold] = states[name, fold].update(seen_by[name][at], places[at], worth, weights)

    def _costs_apart(self, rows: pa.Table) -> Floats | None:
        """(n,) what showing each row's arm cost, where it earned by being looked at: it cost as much where it
        was not. None where rows are as good as looked at, or nothing costs."""
        costs = self.matured.costs
        return costs_of(rows, costs) if self.examined and costs else None

    def _by_fold(self, rows: pa.Table) -> Iterator[tuple[int, Bools, Floats]]:
        """The folds that rows teach, which rows (n,) and how likely their slots are looked at (n,)."""
        fold_of = self._folds_of(rows)
        if self.examined:
            for fold, examination in enumerate(self.examined):
                yield fold, of_others(fold_of, fold, self.folds), examination.of_impressions(rows)
        else:
            for fold in np.unique(fold_of):
                yield int(fold), fold_of == fold, np.ones(rows.num_rows)

    def _folds_of(self, rows: pa.Table) -> Ints:
        if self.folds == 1:
            return np.zeros(rows.num_rows, dtype=np.int64)
        return folds_of(user_keys(rows), self.matured.program, self.folds)

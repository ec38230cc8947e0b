"""Learners' sufficient statistics over matured impressions, by fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats
from nightslate.core.estimators.bounded_model import Winsorised, inner_range
from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Arms, Learner, State
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder, Intervals, Places, crossed, most_frequent
from nightslate.kernels.examination import Examination
from nightslate.kernels.folds import Key, of_others, states_of_others
from nightslate.kernels.rewards import Matured, arm_places, folds_of
from nightslate.programs.logs import Feature

AnyLearner = Learner[Any]

_ROWS_AT_ONCE = 1 << 17
"""Vectors of so many rows are in memory at a time, however many a bucket has."""

_RANGE = pa.schema([("min", pa.float64()), ("max", pa.float64())])


def arm_key(arm_id: str) -> int:
    """What stands for an arm wherever it needs randomness of its own."""
    return seed("arm", arm_id)


def arms_of(
    rows: pa.Table,
    features: Sequence[Feature],
    contexts: Encoder,
    crosses: Sequence[tuple[str, str]] | None = None,
) -> Arms:
    """The rows of the table `arms` as learners know them, categories by the values of these rows; `crosses`:
    the pairs of a feature of contexts and one of arms that interact, None being all."""
    counts = {feature.name: Counter(rows[feature.name].drop_null().to_pylist()) for feature in features}
    encoder = encoder_for(features, counts)
    keys = np.array([arm_key(arm) for arm in rows["arm_id"].to_pylist()], dtype=np.uint64)
    return Arms(keys, encoder(rows), None if crosses is None else crossed(contexts, encoder, crosses))


def winsorised(encoder: Encoder, counts: Mapping[str, Mapping[str, int]]) -> Winsorised:
    """The numbers that an encoder leaves as they are, cut at what nearly all that were counted are within."""
    numbers = [name for name, places in zip(encoder.features, encoder.places, strict=True) if places is None]
    return Winsorised.of(
        encoder.width,
        {
            encoder.slices[name].start: inner_range({float(value): n for value, n in counts[name].items()})
            for name in numbers
        },
    )


def reward_range(rows: pa.Table) -> pa.Table:
    """The least and the most that an impression has earned, as a row `min`, `max`; nulls of none."""
    return pa.Table.from_pylist([pc.min_max(rows["reward"]).as_py()], schema=_RANGE)


def encoder_for(features: Sequence[Feature], counts: Mapping[str, Mapping[str, int]]) -> Encoder:
    """The encoder of features, their categories by the values that were counted."""

    def places(feature: Feature) -> Places:
        if feature.type == "category":
            return most_frequent(dict(counts[feature.name]))
        return Intervals(feature.boundaries) if feature.boundaries else None

    return Encoder(tuple(feature.name for feature in features), tuple(map(places, features)))


@dataclass(frozen=True)
class Lessons:
    """What rows teach learners, by fold of users. Arms are matched by id; rows of arms that are gone teach
    nothing about those that are there.

    `examined`: for the users of each fold, how likely slots are looked at. Rows then teach each fold anew,
    for what they say depends on it; otherwise each row is seen once. `seen_as`: for some learners, what is
    made of contexts before they see them."""

    matured: Matured
    learners: Mapping[str, AnyLearner]
    encoder: Encoder
    arms: tuple[str, ...]
    folds: int
    examined: Sequence[Examination] = ()
    seen_as: Mapping[str, Winsorised] = field(default_factory=dict)

    def initial(self) -> dict[Key, State]:
        """By learner and fold the state of no rows."""
        return {
            (name, fold): learner.initial(len(self.arms), self.encoder.width)
            for name, learner in self.learners.items()
            for fold in range(self.folds)
        }

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, State]]:
        """By learner and fold what impressions of some users teach."""
        states = self.initial()
        for begin in range(0, rows.num_rows, _ROWS_AT_ONCE):
            self._learn(rows.slice(begin, _ROWS_AT_ONCE), states)
        yield from states.items()

    def states(self, found: Mapping[Key, State]) -> dict[str, tuple[State, ...]]:
        """By learner, for the users of each fold, the state of what all others teach; of what everyone
        teaches, where there is one fold only."""
        states = {name: tuple(found[name, fold] for fold in range(self.folds)) for name in self.learners}
        return states if self.examined else {name: states_of_others(parts) for name, parts in states.items()}

    def _learn(self, rows: pa.Table, states: dict[Key, State]) -> None:
        places = arm_places(rows, self.arms)
        rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
        contexts, rewards = self.encoder(rows), rows["reward"].to_numpy()
        ages = self.matured.ages(rows)
        seen_by = {
            name: self.seen_as[name](contexts) if name in self.seen_as else contexts for name in self.learners
        }
        for fold, mine, e in self._by_fold(rows):
            at, e = np.flatnonzero(mine), e[mine]
            for name, learner in self.learners.items():
                weights = e * learner.forgetting ** ages[at]
                before = states[name, fold]
                states[name, fold] = before.update(seen_by[name][at], places[at], rewards[at] / e, weights)

    def _by_fold(self, rows: pa.Table) -> Iterator[tuple[int, Bools, Floats]]:
        """The folds that rows teach, which rows (n,) and how likely their slots are looked at (n,)."""
        fold_of = folds_of(user_keys(rows), self.matured.program, self.folds)
        if self.examined:
            for fold, examination in enumerate(self.examined):
                yield fold, of_others(fold_of, fold, self.folds), examination.of(rows)
        else:
            for fold in np.unique(fold_of):
                yield int(fold), fold_of == fold, np.ones(rows.num_rows)

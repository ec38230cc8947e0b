"""Learners' sufficient statistics over matured impressions, by fold, in one pass over the buckets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Learner, Policy, State
from nightslate.frames.buckets import BucketInput, map_buckets
from nightslate.frames.encoding import Encoder, most_frequent
from nightslate.frames.packing import pack, unpack
from nightslate.frames.samples import arm_places, folds_of, matured, user_keys

AnyLearner = Learner[Any]

_COUNTS = pa.schema([("feature", pa.string()), ("value", pa.string()), ("count", pa.int64())])
_STATES = pa.schema(
    [("bucket", pa.int32()), ("learner", pa.string()), ("fold", pa.int32()), ("state", pa.binary())]
)


@dataclass(frozen=True)
class Sample:
    """Where a night's matured impressions are: `inputs` has the tables `impressions` and `credits`."""

    program: str
    inputs: Mapping[str, BucketInput]
    matured_before: datetime
    buckets: int

    def of(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The matured impressions of one bucket, with rewards."""
        return matured(tables["impressions"], tables["credits"], self.matured_before)


@dataclass(frozen=True)
class FoldStates:
    """The state of each learner on the users of each fold."""

    arms: tuple[str, ...]
    states: Mapping[str, tuple[State, ...]]

    def policy(self, name: str, learner: AnyLearner, seed_: int, without_fold: int | None = None) -> Policy:
        """The learner fitted on all users, or on all but those of one fold."""
        kept = [state for fold, state in enumerate(self.states[name]) if fold != without_fold]
        keys = [arm_key(arm) for arm in self.arms]
        return learner.fit(reduce(lambda one, other: one.merge(other), kept), keys, seed_)

    def rows(self, name: str) -> int:
        """How many rows the learner has seen."""
        return sum(state.rows for state in self.states[name])


def arm_key(arm_id: str) -> int:
    """What stands for an arm wherever it needs randomness of its own."""
    return seed("arm", arm_id)


def value_counts(spark: SparkSession, sample: Sample, columns: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """How often each value of the string columns occurs among the matured impressions; nulls don't count."""

    def kernel(_: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        rows = sample.of(tables)
        for name in columns:
            counts = rows[name].drop_null().value_counts()
            found = {"value": counts.field("values"), "count": counts.field("counts")}
            yield from pa.table({"feature": [name] * len(counts), **found}, schema=_COUNTS).to_batches()

    counted = map_buckets(spark, sample.inputs, kernel, from_arrow_schema(_COUNTS), sample.buckets)
    totals: dict[str, dict[str, int]] = {name: defaultdict(int) for name in columns}
    for row in counted.toArrow().to_pylist():
        totals[row["feature"]][row["value"]] += row["count"]
    return totals


def encoder_for(features: Mapping[str, str], counts: Mapping[str, Mapping[str, int]]) -> Encoder:
    """The encoder of features by name and type ("category" or "number") over the values that were counted."""
    categories = tuple(
        most_frequent(dict(counts[name])) if kind == "category" else None for name, kind in features.items()
    )
    return Encoder(tuple(features), categories)


def fold_states(
    spark: SparkSession,
    sample: Sample,
    learners: Mapping[str, AnyLearner],
    encoder: Encoder,
    arms: tuple[str, ...],
    folds: int,
) -> FoldStates:
    """Every learner's states after one pass over the sample. Arms are matched by id; rows of arms that are
    gone teach nothing about those that are there."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        rows = sample.of(tables)
        places = arm_places(rows, arms)
        rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
        contexts, rewards = encoder(rows), rows["reward"].to_numpy()
        fold_of = folds_of(user_keys(rows), sample.program, folds)
        for name, learner in learners.items():
            for fold in np.unique(fold_of):
                mine = fold_of == fold
                state = learner.initial(len(arms), encoder.width)
                state = state.update(contexts[mine], places[mine], rewards[mine])
                packed = [bucket], [name], [fold], [pack(state.arrays())]
                yield pa.record_batch(
                    [pa.array(c, f.type) for c, f in zip(packed, _STATES, strict=True)], schema=_STATES
                )

    states = {
        name: [learner.initial(len(arms), encoder.width) for _ in range(folds)]
        for name, learner in learners.items()
    }
    found = map_buckets(spark, sample.inputs, kernel, from_arrow_schema(_STATES), sample.buckets).toArrow()
    # In the order of buckets, so that float sums are equal from run to run.
    for row in found.sort_by([("bucket", "ascending"), ("fold", "ascending")]).to_pylist():
        name, fold = row["learner"], row["fold"]
        part = learners[name].state_type.from_arrays(unpack(row["state"]))
        states[name][fold] = states[name][fold].merge(part)
    return FoldStates(arms, {name: tuple(by_fold) for name, by_fold in states.items()})

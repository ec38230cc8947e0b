"""Learners' sufficient statistics over matured impressions, by fold, in one pass over the buckets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import Bools, Floats
from nightslate.core.estimators.bounded_model import Winsorised, inner_range
from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Arms, Learner, State
from nightslate.frames.buckets import map_buckets
from nightslate.frames.encoding import Encoder, Intervals, Places, crossed, most_frequent
from nightslate.frames.examination import Examination
from nightslate.frames.folds import Key, merged, of_others, states_of_others
from nightslate.frames.samples import Sample, arm_places, folds_of, user_keys
from nightslate.programs.logs import Feature

AnyLearner = Learner[Any]

_ROWS_AT_ONCE = 1 << 17
"""Vectors of so many rows are in memory at a time, however many a bucket has."""

_RANGE = pa.schema([("min", pa.float64()), ("max", pa.float64())])
_COUNTS = pa.schema([("feature", pa.string()), ("value", pa.string()), ("count", pa.int64())])


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


def value_counts(spark: SparkSession, sample: Sample, columns: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """How often each value of the columns occurs among the matured impressions, as text; nulls don't count.
    Numbers are told to 8 binary digits, so that there are few of them."""

    def kernel(_: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        rows = sample.of(tables)
        for name in columns:
            counts = _few_values(rows[name].drop_null()).value_counts()
            found = {"value": counts.field("values"), "count": counts.field("counts")}
            yield from pa.table({"feature": [name] * len(counts), **found}, schema=_COUNTS).to_batches()

    counted = map_buckets(spark, sample.inputs, kernel, from_arrow_schema(_COUNTS), sample.buckets)
    totals: dict[str, dict[str, int]] = {name: defaultdict(int) for name in columns}
    for row in counted.toArrow().to_pylist():
        totals[row["feature"]][row["value"]] += row["count"]
    return totals


def _few_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as the text of the bfloat16 nearest to 0 from them; text as it is."""
    if pa.types.is_string(column.type):
        return column
    largest = float(np.finfo(np.float32).max)
    numbers = np.clip(column.cast(pa.float64()).to_numpy(), -largest, largest)
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded = (bits & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64) + 0.0  # -0.0 is 0.0
    return pa.chunked_array([pa.array(rounded).cast(pa.string())])


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


def reward_range(spark: SparkSession, sample: Sample) -> tuple[float | None, float | None]:
    """The least and the most that an impression that counts has earned; None of none."""

    def kernel(_: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        found = pc.min_max(sample.of(tables)["reward"]).as_py()
        yield pa.RecordBatch.from_pylist([found], schema=_RANGE)

    found = map_buckets(spark, sample.inputs, kernel, from_arrow_schema(_RANGE), sample.buckets).toArrow()
    return pc.min(found["min"]).as_py(), pc.max(found["max"]).as_py()


def encoder_for(features: Sequence[Feature], counts: Mapping[str, Mapping[str, int]]) -> Encoder:
    """The encoder of features, their categories by the values that were counted."""

    def places(feature: Feature) -> Places:
        if feature.type == "category":
            return most_frequent(dict(counts[feature.name]))
        return Intervals(feature.boundaries) if feature.boundaries else None

    return Encoder(tuple(feature.name for feature in features), tuple(map(places, features)))


def fold_states(
    spark: SparkSession,
    sample: Sample,
    learners: Mapping[str, AnyLearner],
    encoder: Encoder,
    arms: tuple[str, ...],
    folds: int,
    examined: Sequence[Examination] = (),
    seen_as: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType({}),
) -> dict[str, tuple[State, ...]]:
    """By learner, for the users of each fold, the state of what all others teach; of what everyone teaches,
    where there is one fold only. Arms are matched by id; rows of arms that are gone teach nothing about those
    that are there.

    `examined`: for the users of each fold, how likely slots are looked at. Rows then teach each fold anew,
    for what they say depends on it; otherwise each row is seen once. `seen_as`: for some learners, what is
    made of contexts before they see them."""

    def lessons(rows: pa.Table) -> Iterator[tuple[int, Bools, Floats]]:
        fold_of = folds_of(user_keys(rows), sample.program, folds)
        if examined:
            for fold, examination in enumerate(examined):
                yield fold, of_others(fold_of, fold, folds), examination.of(rows)
        else:
            for fold in np.unique(fold_of):
                yield int(fold), fold_of == fold, np.ones(rows.num_rows)

    initial: dict[Key, State] = {
        (name, fold): learner.initial(len(arms), encoder.width)
        for name, learner in learners.items()
        for fold in range(folds)
    }

    def update(rows: pa.Table) -> Iterator[tuple[Key, State]]:
        states = dict(initial)
        for begin in range(0, rows.num_rows, _ROWS_AT_ONCE):
            learn(rows.slice(begin, _ROWS_AT_ONCE), states)
        yield from states.items()

    def learn(rows: pa.Table, states: dict[Key, State]) -> None:
        places = arm_places(rows, arms)
        rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
        contexts, rewards, ages = encoder(rows), rows["reward"].to_numpy(), sample.ages(rows)
        seen_by = {name: seen_as[name](contexts) if name in seen_as else contexts for name in learners}
        for fold, mine, e in lessons(rows):
            at, e = np.flatnonzero(mine), e[mine]
            for name, learner in learners.items():
                weights = e * learner.forgetting ** ages[at]
                before = states[name, fold]
                states[name, fold] = before.update(seen_by[name][at], places[at], rewards[at] / e, weights)

    found = merged(spark, sample, initial, update)
    states = {name: tuple(found[name, fold] for fold in range(folds)) for name in learners}
    return states if examined else {name: states_of_others(parts) for name, parts in states.items()}

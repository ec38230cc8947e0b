"""Users of a day into slates: weights, a Plackett-Luce ranking, and propensities from the weights stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import AnyArray, Float32s, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.frames.buckets import BucketInput, map_buckets
from nightslate.frames.encoding import Encoder
from nightslate.frames.lists import matrix
from nightslate.frames.samples import user_keys
from nightslate.frames.steering import Steering
from nightslate.frames.training import arm_key

CHUNK = 16_384

CHOICES = pa.schema(
    [
        ("bucket", pa.int32()),
        ("variant", pa.string()),
        ("user_id", pa.string()),
        ("probabilities", pa.list_(pa.float64())),
    ]
)
"""A user, and what the model of its variant would choose: the probability of each of the model's arms."""

SLATES = pa.schema(
    [
        ("bucket", pa.int32()),
        ("user_id", pa.string()),
        ("issue", pa.string()),
        ("variant", pa.string()),
        ("policy", pa.string()),
        ("model_digest", pa.string()),
        ("candidates", pa.list_(pa.string())),
        ("weights", pa.list_(pa.float32())),
        ("groups", pa.list_(pa.string())),
        ("penalty", pa.float64()),
        ("ranking", pa.list_(pa.string())),
        ("propensities", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class ScoredBy:
    """A fitted model as scoring needs it."""

    learner: str
    digest: str
    arms: tuple[str, ...]
    encoder: Encoder
    policy: Policy

    def weights(self, rows: pa.Table, floor: float) -> Float32s:
        """(n, A) of the arms for users with these contexts, as they are stored before any goal is looked
        at."""
        return mix_floor(self.policy.weights(self.encoder(rows)), floor)


@dataclass(frozen=True)
class Scoring:
    """Who is scored by what: `variants` maps a variant to its share of users and its model. `steering` is of
    all variants but those that are `randomised`, which show what their model chooses."""

    program: str
    issue: str
    slate_date: date
    depth: int
    floor: float
    variants: Mapping[str, tuple[float, ScoredBy]]
    steering: Steering = field(default_factory=Steering)
    randomised: frozenset[str] = frozenset()

    def bucket(self, bucket: int, users: pa.Table) -> Iterator[pa.RecordBatch]:
        """The slates of a bucket's users. Variant and ranking come from hashes of the user's id."""
        for choices in self.choices(bucket, users):
            yield from self.slates(choices)

    def choices(self, bucket: int, users: pa.Table) -> Iterator[pa.RecordBatch]:
        """`CHOICES` of a bucket's users, some thousands at a time, and each variant for itself."""
        for start in range(0, users.num_rows, CHUNK):
            chunk = users.slice(start, CHUNK)
            variant_of = self._variants(user_keys(chunk))
            for place, (variant, (_, model)) in enumerate(self.variants.items()):
                mine = chunk.filter(pa.array(variant_of == place))
                if mine.num_rows:
                    probabilities = model.policy.weights(model.encoder(mine))
                    columns = {
                        "bucket": np.full(mine.num_rows, bucket, dtype=np.int32),
                        "variant": pa.repeat(variant, mine.num_rows),
                        "user_id": mine["user_id"].combine_chunks(),
                        "probabilities": _lists(pa.array(probabilities.ravel()), len(model.arms)),
                    }
                    yield pa.RecordBatch.from_pydict(columns, schema=CHOICES)

    def slates(self, choices: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """`SLATES` for users of any variants."""
        for variant, mine in by_variant(choices):
            yield self._slates(variant, mine)

    def steering_of(self, variant: str) -> Steering:
        """What is added to the choices of a variant's model."""
        return Steering() if variant in self.randomised else self.steering

    def _variants(self, keys: Keys) -> AnyArray:
        """(n,) the variant of each user, the same on every night."""
        bounds = np.cumsum([share for share, _ in self.variants.values()])[:-1]
        return np.searchsorted(bounds, uniform(mix(keys, seed(self.program, "variant"))), side="right")

    def _slates(self, variant: str, choices: pa.RecordBatch) -> pa.RecordBatch:
        (_, model), steering = self.variants[variant], self.steering_of(variant)
        weights = steering.weights(matrix(choices["probabilities"]), model.arms, self.floor)
        night = seed(self.program, self.issue, self.slate_date.isoformat(), "ranking")
        keys = mix(user_keys(pa.Table.from_batches([choices])), night)
        arm_keys = np.array([arm_key(arm) for arm in model.arms], dtype=np.uint64)
        arms, depth = pa.array(model.arms, pa.string()), min(self.depth, len(model.arms))
        rankings, propensities = steering.ranked(weights, model.arms, keys, arm_keys, depth)
        same = {
            "issue": self.issue,
            "policy": model.learner,
            "model_digest": model.digest,
            "candidates": model.arms,
            "groups": steering.groups_of(model.arms),
            "penalty": steering.penalty,
        }
        columns = {
            **{name: choices[name] for name in ("bucket", "user_id", "variant")},
            **{n: pa.repeat(pa.scalar(value, SLATES.field(n).type), len(keys)) for n, value in same.items()},
            "weights": _lists(pa.array(weights.ravel()), len(arms)),
            "ranking": _lists(arms.take(pa.array(rankings.ravel())), depth),
            "propensities": _lists(pa.array(propensities.ravel()), depth),
        }
        return pa.RecordBatch.from_pydict(columns, schema=SLATES)


def by_variant(choices: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The choices for the users of each variant."""
    for variant in sorted(pc.unique(choices["variant"]).to_pylist()):
        yield variant, choices.filter(pc.equal(choices["variant"], variant))


def choose(spark: SparkSession, users: BucketInput, scoring: Scoring, buckets: int) -> DataFrame:
    """What the models would choose for all users: each bucket is a partition, its rows in order."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        yield from scoring.choices(bucket, tables["users"])

    return map_buckets(spark, {"users": users}, kernel, from_arrow_schema(CHOICES), buckets)


def slates_of(choices: DataFrame, scoring: Scoring) -> DataFrame:
    """The slates of all users, with their ids, and the column `bucket` they are written by."""

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from scoring.slates(batch)

    return _named(choices.mapInArrow(kernel, from_arrow_schema(SLATES)), scoring)


def score(spark: SparkSession, users: BucketInput, scoring: Scoring, buckets: int) -> DataFrame:
    """`slates_of` what the models choose, in one pass."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        yield from scoring.bucket(bucket, tables["users"])

    return _named(map_buckets(spark, {"users": users}, kernel, from_arrow_schema(SLATES), buckets), scoring)


def _named(slates: DataFrame, scoring: Scoring) -> DataFrame:
    return slates.withColumn("slate_id", slate_id(scoring.program, scoring.slate_date))


def slate_id(program: str, slate_date: date) -> Column:
    """SHA-256 of everything that determines a slate; the same row has the same id on every run. What is null
    leaves no trace in it."""
    content = [name for name in SLATES.names if name not in ("bucket", "propensities")]
    return F.sha2(F.to_json(F.struct(F.lit(program), F.lit(slate_date.isoformat()), *content)), 256)


def _lists(values: pa.Array, length: int) -> pa.Array:
    """Flat values as lists of equal length."""
    offsets = pa.array(np.arange(0, len(values) + 1, length, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, values)

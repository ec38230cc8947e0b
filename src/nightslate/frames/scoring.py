"""Users of a day into slates: weights, a Plackett-Luce ranking, and propensities from the weights stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import AnyArray, Float32s, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings
from nightslate.frames.buckets import BucketInput, map_buckets
from nightslate.frames.encoding import Encoder
from nightslate.frames.samples import user_keys
from nightslate.frames.training import arm_key

CHUNK = 16_384

_SLATES = pa.schema(
    [
        ("bucket", pa.int32()),
        ("user_id", pa.string()),
        ("issue", pa.string()),
        ("variant", pa.string()),
        ("policy", pa.string()),
        ("model_digest", pa.string()),
        ("candidates", pa.list_(pa.string())),
        ("weights", pa.list_(pa.float32())),
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
        """(n, arms) the weights that are stored, for users with their context columns."""
        return mix_floor(self.policy.weights(self.encoder(rows)), floor)


@dataclass(frozen=True)
class Scoring:
    """Who is scored by what: `variants` maps a variant to its share of users and its model."""

    program: str
    issue: str
    slate_date: date
    depth: int
    floor: float
    variants: Mapping[str, tuple[float, ScoredBy]]

    def bucket(self, bucket: int, users: pa.Table) -> Iterator[pa.RecordBatch]:
        """The slates of a bucket's users. Variant and ranking come from hashes of the user's id."""
        for start in range(0, users.num_rows, CHUNK):
            chunk = users.slice(start, CHUNK)
            keys = user_keys(chunk)
            variant_of = self._variants(keys)
            for place, (variant, (_, model)) in enumerate(self.variants.items()):
                mine = np.flatnonzero(variant_of == place)
                if len(mine):
                    yield self._slates(bucket, chunk.take(mine), keys[mine], variant, model)

    def _variants(self, keys: Keys) -> AnyArray:
        """(n,) the variant of each user, the same on every night."""
        bounds = np.cumsum([share for share, _ in self.variants.values()])[:-1]
        return np.searchsorted(bounds, uniform(mix(keys, seed(self.program, "variant"))), side="right")

    def _slates(
        self, bucket: int, users: pa.Table, keys: Keys, variant: str, model: ScoredBy
    ) -> pa.RecordBatch:
        weights = model.weights(users, self.floor)
        night = mix(keys, seed(self.program, self.issue, self.slate_date.isoformat(), "ranking"))
        arm_keys = np.array([arm_key(arm) for arm in model.arms], dtype=np.uint64)
        rankings = sample_rankings(weights, night, arm_keys, min(self.depth, len(model.arms)))
        n, arms = len(keys), pa.array(model.arms, pa.string())
        same = {
            "issue": self.issue,
            "variant": variant,
            "policy": model.learner,
            "model_digest": model.digest,
        }
        columns = {
            "bucket": np.full(n, bucket, dtype=np.int32),
            "user_id": users["user_id"].combine_chunks(),
            **{name: pa.repeat(value, n) for name, value in same.items()},
            "candidates": _lists(arms.take(pa.array(np.tile(np.arange(len(arms)), n))), len(arms)),
            "weights": _lists(pa.array(weights.ravel()), len(arms)),
            "ranking": _lists(arms.take(pa.array(rankings.ravel())), rankings.shape[1]),
            "propensities": _lists(
                pa.array(conditional_propensities(weights, rankings).ravel()), rankings.shape[1]
            ),
        }
        return pa.RecordBatch.from_pydict(columns, schema=_SLATES)


def score(spark: SparkSession, users: BucketInput, scoring: Scoring, buckets: int) -> DataFrame:
    """The slates of all users, with their ids, and the column `bucket` they are written by."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        yield from scoring.bucket(bucket, tables["users"])

    slates = map_buckets(spark, {"users": users}, kernel, from_arrow_schema(_SLATES), buckets)
    return slates.withColumn("slate_id", slate_id(scoring.program, scoring.slate_date))


def slate_id(program: str, slate_date: date) -> Column:
    """SHA-256 of everything that determines a slate; the same row has the same id on every run."""
    content = ("user_id", "issue", "variant", "policy", "model_digest", "candidates", "weights", "ranking")
    return F.sha2(F.to_json(F.struct(F.lit(program), F.lit(slate_date.isoformat()), *content)), 256)


def _lists(values: pa.Array, length: int) -> pa.Array:
    """Flat values as lists of equal length."""
    offsets = pa.array(np.arange(0, len(values) + 1, length, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, values)

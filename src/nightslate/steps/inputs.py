"""What the steps that go over user buckets read, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.frames import samples
from nightslate.frames.buckets import BucketInput
from nightslate.frames.days import first_day, matured_before
from nightslate.frames.examination import POSITION_COLUMNS
from nightslate.frames.samples import Sample
from nightslate.frames.training import AnyLearner, arms_of
from nightslate.steps.night import ISSUE, Night


def bucket_input(night: Night, table: str, columns: Sequence[str], since: date) -> BucketInput:
    """Columns of a table from `since` up to this night, from one pinned snapshot."""
    handle = night.table(table)
    schema = arrow_contracts.schema(handle.contract)
    return BucketInput(
        handle.snapshot().files(since, night.ds), pa.schema([schema.field(name) for name in columns])
    )


def matured_sample(night: Night, window_days: int) -> Sample:
    """The matured impressions of the last `window_days` days, and the credits known for them tonight."""
    since = first_day(night.ds, window_days)
    columns = (*samples.IMPRESSION_COLUMNS, *context_types(night))
    if night.program.examination:
        columns += POSITION_COLUMNS
    return Sample(
        program=night.name,
        ds=night.ds,
        inputs={
            "impressions": bucket_input(night, "impressions", columns, since),
            "credits": bucket_input(night, "credits", samples.CREDIT_COLUMNS, since),
        },
        matured_before=matured_before(night.ds, night.program.rewards.window),
        buckets=night.program.buckets,
    )


def learners(night: Night) -> dict[str, AnyLearner]:
    """The program's learners by name, sorted."""
    return {
        name: LEARNERS[spec.kind](**spec.model_dump(exclude={"kind"}))
        for name, spec in sorted(night.program.learners.items())
    }


def context_types(night: Night) -> dict[str, str]:
    """The program's context columns and their types, in the order declared."""
    return {feature.name: feature.type for feature in night.program.logs.context}


def described_arms(night: Night) -> Arms:
    """The arms of the day with their features, in the order of `night.arms()`."""
    features = {feature.name: feature.type for feature in night.program.logs.arm_features}
    return arms_of(night.rows("arms").sort_by("arm_id"), features)


def categories(night: Night) -> tuple[str, ...]:
    """Those of the context columns whose values have to be counted before they can be encoded."""
    return tuple(name for name, kind in context_types(night).items() if kind == "category")


def model_seed(night: Night, learner: str) -> int:
    """The randomness of a learner's models of this night: the one that is scored with and those evaluated."""
    return seed(night.name, ISSUE, learner, night.ds.isoformat())

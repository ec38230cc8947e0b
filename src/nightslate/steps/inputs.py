"""What the steps that go over user buckets read, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.frames import samples
from nightslate.frames.buckets import BucketInput
from nightslate.frames.days import first_day, matured_before
from nightslate.frames.encoding import Encoder
from nightslate.frames.examination import POSITION_COLUMNS
from nightslate.frames.maturity import DELAY_COLUMNS
from nightslate.frames.samples import Sample, with_young
from nightslate.frames.training import AnyLearner, arms_of
from nightslate.programs.meaning import SLOTS
from nightslate.steps.meaning import (
    in_words,
    otherwise_meant,
    require_known_propensities,
    require_one_meaning,
)
from nightslate.steps.night import ISSUE, Night


def bucket_input(night: Night, table: str, columns: Sequence[str], since: date) -> BucketInput:
    """Columns of a table from `since` up to this night, from one pinned snapshot."""
    handle = night.table(table)
    schema = arrow_contracts.schema(handle.contract)
    return BucketInput(
        handle.snapshot().files(since, night.ds), pa.schema([schema.field(name) for name in columns])
    )


def matured_sample(night: Night, window_days: int) -> Sample:
    """The impressions of the last `window_days` days that count, and the credits known for them tonight.
    Raises SpecError where some of these are worth what an earlier program said, or nobody knows what they
    mean."""
    since, rewards = first_day(night.ds, window_days), night.program.rewards
    require_one_meaning(night, "credits", "attribute", since)
    require_known_propensities(night, since)
    columns = (*samples.IMPRESSION_COLUMNS, *(feature.name for feature in night.program.logs.context))
    if night.program.examination:
        columns += POSITION_COLUMNS
    weighted = rewards.maturity == "ipcw"
    credit_columns = (*samples.CREDIT_COLUMNS, *(DELAY_COLUMNS if weighted else ()))
    sample = Sample(
        program=night.name,
        ds=night.ds,
        inputs={
            "impressions": bucket_input(night, "impressions", columns, since),
            "credits": bucket_input(night, "credits", credit_columns, since),
        },
        counts_until=matured_before(night.ds, rewards.longest_window),
        buckets=night.program.buckets,
    )
    if not weighted:
        return sample
    kinds = {kind: rewards.window_of(kind) for kind, worth in sorted(rewards.values.items()) if worth}
    return with_young(night.spark, sample, kinds, night.arms(), rewards.min_seen)


def sample_to_weigh(night: Night, sample: Sample) -> tuple[Sample, str]:
    """What of a sample policies are weighed on, and a word on what is left out. Rows say themselves what
    their propensities mean. A decision that is weighed as a whole is worth the more the more slots it has, so
    days of other slots than the program has now are left out."""
    impressions, written = sample.inputs["impressions"], night.table("impressions").snapshot().written()
    read = {file.day for file in impressions.files}
    changed = {day: why for day, why in otherwise_meant(night, "impressions", written).items() if day in read}
    others = {day for day, why in changed.items() if night.program.weighs_decisions and SLOTS in why}
    files = [file for file in impressions.files if file.day not in others]
    words = f"; impressions of {in_words(changed)}: what can't be weighed so is left out" if changed else ""
    return replace(sample, inputs={**sample.inputs, "impressions": replace(impressions, files=files)}), words


def learners(night: Night) -> dict[str, AnyLearner]:
    """The program's learners by name, sorted."""
    return {
        name: LEARNERS[spec.kind](**spec.model_dump(exclude={"kind"}))
        for name, spec in sorted(night.program.learners.items())
    }


def described_arms(night: Night, contexts: Encoder) -> Arms:
    """The arms of the day with their features and what of `contexts` these interact with, in the order of
    `night.arms()`."""
    logs = night.program.logs
    return arms_of(night.rows("arms").sort_by("arm_id"), logs.arm_features, contexts, logs.crosses)


def categories(night: Night) -> tuple[str, ...]:
    """Those of the context columns whose values have to be counted before they can be encoded."""
    return tuple(feature.name for feature in night.program.logs.context if feature.type == "category")


def model_seed(night: Night, learner: str) -> int:
    """The randomness of a learner's models of this night: the one that is scored with and those evaluated."""
    return seed(night.name, ISSUE, learner, night.ds.isoformat())

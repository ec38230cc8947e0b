"""The day's outcomes to the impressions of the windows before them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from nightslate.core.attribution import Rule
from nightslate.frames.attribution import IMPRESSION_COLUMNS, OUTCOME_COLUMNS, Attributor
from nightslate.frames.credits import found_by_bucket, known_keys
from nightslate.frames.days import microseconds
from nightslate.records.overlap import ID_FORMS, STRANGERS, hardly_any
from nightslate.steps.inputs import bucket_input
from nightslate.steps.meaning import in_words, outdated, with_meaning
from nightslate.steps.night import Night, shared_with_other_nights
from nightslate.tables import Staged
from nightslate.tables import spark as spark_tables

_TABLES = ("credits", "unattributed")


def run(night: Night) -> str:
    """The outcomes of the day, and before it of the days that no night of theirs has attributed yet, and of
    those that one has attributed under another meaning of rewards than the program has by now."""
    with shared_with_other_nights():
        before = night.days_looked_back_on()
        landed = night.table("outcomes").snapshot().written().keys() & before
        written = {name: night.table(name).snapshot().written() for name in _TABLES}
        missing = {day for day in landed if not all(day in days for days in written.values())}
        changed = {
            day: why
            for name, days in written.items()
            for day, why in outdated(night, name, days).items()
            if day in landed
        }
        for day in sorted(missing | changed.keys()):
            _attribute(night.at(day))
        anew = f"; {in_words(changed)}, and attributed anew" if changed else ""
        return f"{_attribute(night)}{anew}"


def attributor(night: Night) -> Attributor:
    """How the program's outcomes are attributed, with the topics of its arms as of this day."""
    rewards = night.program.rewards
    rules = rewards.attribution
    half_life = microseconds(rules.half_life) if rules.half_life else None
    return Attributor(
        rule=Rule(rules.rule, half_life, rules.max_touches),
        match=rules.match,
        matches=dict(rules.matches),
        window=rewards.window,
        windows=dict(rewards.windows),
        values=dict(rewards.values),
        decay=rewards.decay,
        cap=rewards.cap,
        max_outcomes=rewards.max_outcomes,
        skew=rewards.skew,
        topics=_topics(night, rules.topic) if rules.topic else {},
    )


def _topics(night: Night, topic: str) -> dict[str, str]:
    """What each arm was about when it was last on offer: one that has left may still be credited."""
    offered = night.rows("arms", night.days_attributed_to[0]).sort_by("ds")
    last = dict(zip(offered["arm_id"].to_pylist(), offered[topic].to_pylist(), strict=True))
    return {arm: name for arm, name in last.items() if name is not None}


def _attribute(night: Night) -> str:
    """One partition of each table: a pure function of the outcomes of ds and the impressions before them."""
    outcomes = bucket_input(night, "outcomes", OUTCOME_COLUMNS, night.ds)
    impressions = bucket_input(night, "impressions", IMPRESSION_COLUMNS, night.days_attributed_to[0])
    found = found_by_bucket(night.spark, impressions, outcomes, attributor(night), night.program.buckets)
    found = found.persist()  # it is gone through twice, once for each table
    given = _staged(night, "credits", found.where(F.col("reason").isNull()))
    unattributed = _staged(night, "unattributed", found.where(F.col("reason").isNotNull()))
    total = sum(file.rows for file in outcomes.files)
    credited, strangers = total - unattributed.rows, ""
    if hardly_any(credited, total):  # else their keys are no strangers, and need not be counted
        overlap = known_keys(night.spark, impressions, outcomes, night.program.buckets)
        strangers = overlap.strangers(_forms(night, "outcomes"), _shown_forms(night))
    night.table("credits").publish(given, with_meaning(night, "credits"))
    said = {**with_meaning(night, "unattributed"), STRANGERS: strangers}
    night.table("unattributed").publish(unattributed, said)
    warning = f"; WARNING: {strangers}" if strangers else ""
    return f"{given.rows} credits for {credited} of {total} outcomes{warning}"


def _shown_forms(night: Night) -> Callable[[str], list[str]]:
    """What keys of impressions look like, by column: those of the last day that has any."""
    days = (night.at(day) for day in (night.ds, *reversed(night.days_attributed_to)))
    forms = next(filter(None, (_forms(day, "impressions") for day in days)), {})
    return lambda name: forms.get(name, [])


def _forms(night: Night, log: str) -> dict[str, list[str]]:
    kept = night.table(log).snapshot().metadata(night.ds).get(ID_FORMS, "{}")
    return cast(dict[str, list[str]], json.loads(kept))


def _staged(night: Night, name: str, rows: DataFrame) -> Staged:
    """The day of a table, written and not yet published."""
    table = night.table(name)
    attempt = table.begin(night.ds)
    spark_tables.write(rows, attempt, sort_by=table.contract.key)
    return attempt.seal()

"""The day's outcomes to the impressions of the windows before them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.attribution import Rule
from nightslate.engines import Tables, Work
from nightslate.kernels.attribution import IMPRESSION_COLUMNS, OUTCOME_COLUMNS, Attributor
from nightslate.kernels.credits import attributed, known_keys
from nightslate.programs.days import microseconds
from nightslate.records.overlap import ID_FORMS, STRANGERS, Overlap, hardly_any
from nightslate.steps.inputs import bucket_input
from nightslate.steps.meaning import in_words, outdated, with_meaning
from nightslate.steps.night import Night, shared_with_other_nights

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
    inputs = {"outcomes": outcomes, "impressions": impressions.of_users_in("outcomes")}
    work, how = Work(inputs, night.program.buckets), attributor(night)
    tables = {name: night.table(name) for name in _TABLES}
    keys = {name: [(column, "ascending") for column in tables[name].contract.key] for name in _TABLES}

    def in_order(rows: Tables) -> dict[str, pa.Table]:
        return {name: found.sort_by(keys[name]) for name, found in attributed(how, rows).items()}

    staged = night.engine.write(
        in_order, work, {name: table.begin(night.ds) for name, table in tables.items()}
    )
    given, unattributed = staged["credits"], staged["unattributed"]
    total = sum(file.rows for file in outcomes.files)
    credited, strangers = total - unattributed.rows, ""
    if hardly_any(credited, total):  # else their keys are no strangers, and need not be counted
        sums = night.engine.map(known_keys, work)
        overlap = Overlap(**{name: pc.sum(sums[name]).as_py() for name in sums.column_names})
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

"""The day's outcomes to the impressions of the windows before them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import ISSUE
from nightslate.core.attribution import Rule
from nightslate.engines import Tables, Work
from nightslate.kernels.attribution import IMPRESSION_COLUMNS, OUTCOME_COLUMNS, Attributor
from nightslate.kernels.credits import attributed, known_keys
from nightslate.kernels.survival import Survival, surviving
from nightslate.pipeline.arms import last_values
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.lookback import days_attributed_to, days_credited, shared_with_other_nights
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import in_words, outdated, with_meaning
from nightslate.programs import Issue
from nightslate.programs.days import microseconds
from nightslate.records.overlap import ID_FORMS, STRANGERS, Overlap, hardly_any
from nightslate.tables import Table


@dataclass(frozen=True)
class AttributionTables:
    """What attribution reads and writes."""

    outcomes: Table
    impressions: Table
    arms: Table
    credits: Table
    unattributed: Table

    @property
    def written(self) -> dict[str, Table]:
        return {"credits": self.credits, "unattributed": self.unattributed}


def run(
    night: Night,
    outcomes: Table,
    impressions: Table,
    arms: Table,
    models: Table,
    credits: Table,
    unattributed: Table,
) -> str:
    """The outcomes of the day, and before it of the days that no night of theirs has attributed yet, and of
    those that one has attributed under another meaning of rewards than the program has by now."""
    tables = AttributionTables(outcomes, impressions, arms, credits, unattributed)
    with shared_with_other_nights():
        before = days_credited(night, models)
        landed = outcomes.snapshot().written().keys() & before
        written = {name: table.snapshot().written() for name, table in tables.written.items()}
        missing = {day for day in landed if not all(day in days for days in written.values())}
        changed = {
            day: why
            for name, days in written.items()
            for day, why in outdated(night, name, days).items()
            if day in landed
        }
        for day in sorted(missing | changed.keys()):
            attribute_day(night.at(day), tables)
        anew = f"; {in_words(changed)}, and attributed anew" if changed else ""
        return f"{attribute_day(night, tables)}{anew}"


def attributor(night: Night, issue: Issue, arms: Table) -> Attributor:
    """How outcomes are attributed for an issue, with the topics of arms as of this day."""
    rewards = issue.rewards
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
        topics=_topics(night, arms, rules.topic) if rules.topic else {},
        at_horizon=frozenset([rewards.survival.unless] if rewards.survival else []),
    )


def _horizons(night: Night, attributors: Mapping[str, Attributor]) -> list[Survival]:
    """Those that end with this night, of whichever issues."""
    several, found = len(night.program.issues) > 1, []
    for name, issue in night.program.issues.items():
        rewards = issue.rewards
        first = rewards.horizon_ending(night.program.start_date, night.ds)
        if rewards.survival and first:
            unless, value = rewards.survival.unless, rewards.survival.value
            of_issue = name if several else None
            found.append(surviving(attributors[name], unless, value, first, night.ds, of_issue))
    return found


def _topics(night: Night, arms: Table, topic: str) -> dict[str, str]:
    """What each arm was about when it was last on offer: one that has left may still be credited."""
    return last_values(arms.rows(days_attributed_to(night)[0], night.ds).sort_by("ds"), topic)


def attribute_day(night: Night, tables: AttributionTables) -> str:
    """One partition of each table: a pure function of the outcomes of ds and the impressions before them."""
    outcomes = bucket_input(night, tables.outcomes, OUTCOME_COLUMNS, night.ds)
    several = len(night.program.issues) > 1
    columns = (*IMPRESSION_COLUMNS, *((ISSUE,) if several else ()))
    attributors = {
        name: attributor(night, issue, tables.arms) for name, issue in night.program.issues.items()
    }
    horizons = _horizons(night, attributors)
    shown = bucket_input(night, tables.impressions, columns, days_attributed_to(night)[0])
    inputs = {"outcomes": outcomes, "impressions": shown if horizons else shown.of_users_in("outcomes")}
    if horizons:
        first = min(horizon.first for horizon in horizons)
        inputs["left"] = bucket_input(night, tables.outcomes, OUTCOME_COLUMNS, first)
    work = Work(inputs, night.program.buckets)
    keys = {
        name: [(column, "ascending") for column in table.contract.key]
        for name, table in tables.written.items()
    }

    def in_order(rows: Tables) -> dict[str, pa.Table]:
        made = attributed(attributors, rows)
        made["credits"] = pa.concat_tables([made["credits"], *(each.credits(rows) for each in horizons)])
        return {name: found.sort_by(keys[name]) for name, found in made.items()}

    staged = night.engine.write(
        in_order, work, {name: table.begin(night.ds) for name, table in tables.written.items()}
    )
    given, unattributed = staged["credits"], staged["unattributed"]
    total = sum(file.rows for file in outcomes.files)
    credited, strangers = total - unattributed.rows, ""
    if hardly_any(credited, total):  # else their keys are no strangers, and need not be counted
        sums = night.engine.map(known_keys, work)
        overlap = Overlap(**{name: pc.sum(sums[name]).as_py() for name in sums.column_names})
        strangers = overlap.strangers(
            _forms(tables.outcomes, night.ds), _shown_forms(night, tables.impressions)
        )
    tables.credits.publish(given, with_meaning(night, "credits"))
    said = {**with_meaning(night, "unattributed"), STRANGERS: strangers}
    tables.unattributed.publish(unattributed, said)
    warning = f"; WARNING: {strangers}" if strangers else ""
    return f"{given.rows} credits for {credited} of {total} outcomes{warning}"


def _shown_forms(night: Night, impressions: Table) -> Callable[[str], list[str]]:
    """What keys of impressions look like, by column: those of the last day that has any."""
    days = (night.ds, *reversed(days_attributed_to(night)))
    forms = next(filter(None, (_forms(impressions, day) for day in days)), {})
    return lambda name: forms.get(name, [])


def _forms(log: Table, day: date) -> dict[str, list[str]]:
    kept = log.snapshot().metadata(day).get(ID_FORMS, "{}")
    return cast(dict[str, list[str]], json.loads(kept))

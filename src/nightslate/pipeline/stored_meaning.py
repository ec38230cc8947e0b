"""Rows of earlier days and a program that has changed since: what they were written under, and what no longer
fits. Each commit of a day says it; a mixture of two meanings is never read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

from nightslate.errors import SpecError
from nightslate.pipeline.night import Night
from nightslate.programs.meaning import Meaning, differences, meaning
from nightslate.tables import Commit, Table

Changes = Mapping[str, str]
"""What differs, by the program's key, in words."""

_MEANING = "nightslate.meaning"
_CHANGES_NAMED = 3


def with_meaning(night: Night, table: str, meant: Meaning | None = None) -> dict[str, str]:
    """What a commit of this table says about itself: its run, and what its rows mean, which is what the
    program says tonight where it is not `meant` otherwise."""
    return {**night.commit_metadata, _MEANING: json.dumps(meant or meaning(night.program, table))}


def meaning_of(commit: Commit | None) -> Meaning | None:
    """What the rows of a commit were written under; None where nobody wrote it down."""
    said = commit.metadata.get(_MEANING) if commit else None
    return None if said is None else json.loads(said)


def otherwise_meant(night: Night, table: str, written: Mapping[date, Commit | None]) -> dict[date, Changes]:
    """The days of the table that were written under another meaning than the program has tonight, and what
    differs, in words. What nobody wrote down does not differ."""
    now, then = meaning(night.program, table), {day: meaning_of(commit) for day, commit in written.items()}
    found = {day: differences(said, now) for day, said in then.items() if said is not None}
    return {day: why for day, why in found.items() if why}


def outdated(night: Night, table: str, written: Mapping[date, Commit | None]) -> dict[date, Changes]:
    """The days of a table that is made from logs which have to be made again: those that are otherwise meant,
    and those of which nobody wrote down under which program they were made."""
    unknown = [day for day, commit in written.items() if meaning_of(commit) is None]
    unsaid = {"": "what it said was not written down"}
    return {**dict.fromkeys(unknown, unsaid), **otherwise_meant(night, table, written)}


def require_one_meaning(night: Night, table: Table, step: str, since: date) -> None:
    """Raise SpecError, naming the days, what has changed and the step that makes them anew, unless the table
    from `since` up to this night means what the program says tonight."""
    name, written = table.contract.name, table.snapshot().written()
    stale = {day: why for day, why in outdated(night, name, written).items() if since <= day <= night.ds}
    if stale:
        raise SpecError(
            f"{night.name} {name}: {in_words(stale)}. Undo the change, or run the step {step} of {night.ds},"
            f" which makes them anew: nightslate step {step} --program {night.name} --ds {night.ds}"
        )


def require_known_propensities(night: Night, impressions: Table, since: date) -> None:
    """Raise SpecError, naming the days and the remedy, where impressions of several slots from `since` up to
    this night do not say what their propensities mean."""
    written = impressions.snapshot().written()
    unknown = [d for d, commit in written.items() if since <= d <= night.ds and meaning_of(commit) is None]
    if unknown and night.program.slots > 1:
        raise SpecError(
            f"{night.name} impressions: {len(unknown)} days from {min(unknown)} to {max(unknown)} do not say"
            " what their propensities mean, they were ingested before that was kept. If it is what"
            " logs.propensity says, ingest each of these days again: nightslate step ingest --program"
            f" {night.name} --ds DAY"
        )


def in_words(stale: Mapping[date, Changes]) -> str:
    """Which days no longer fit, and why."""
    first, last = min(stale), max(stale)
    days = f"{first} was" if first == last else f"{len(stale)} days from {first} to {last} were"
    why = sorted({words for each in stale.values() for words in each.values()})
    left = len(why) - _CHANGES_NAMED
    more = f" and {left} changes more" if left > 0 else ""
    return f"{days} made under another program: {'; '.join(why[:_CHANGES_NAMED])}{more}"

"""How long nights took, from what the commits of their tables say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from nightslate.tables import Table
from nightslate.tables.snapshot import Commit

ENDS = {"ingest": "impressions", "attribute": "credits", "train": "models", "publish": "slates"}
"""The steps that slates wait for, and the table whose commit ends each."""

_DAY = timedelta(days=1)


def seconds_by_step(tables: Mapping[str, Table], nights: list[date]) -> dict[date, dict[str, float]]:
    """What each of these steps took of a night, its wait for a free worker included, in seconds; nothing of
    nights whose commits Delta's log does not go back to, or that were ingested and not published since.

    A night begins with the newest attempt to ingest it. Of commits after that the first counts: what was run
    again later, or published between nights, is not what the night took.
    """
    commits = {step: _by_day(tables[table]) for step, table in ENDS.items()}
    found = {}
    for night in nights:
        ingested = commits["ingest"].get(night, [])
        if not ingested:
            continue
        began, ended = datetime.fromtimestamp(ingested[0].token / 1e6, UTC), ingested[0].at
        seconds = {"ingest": (ended - began).total_seconds()}
        for step in list(ENDS)[1:]:
            day = night + _DAY if step == "publish" else night
            after = [commit.at for commit in commits[step].get(day, []) if commit.at >= ended]
            if not after:
                break
            seconds[step] = (after[-1] - ended).total_seconds()
            ended = after[-1]
        else:
            found[night] = seconds
    return found


def _by_day(table: Table) -> dict[date, list[Commit]]:
    """The commits of each day, the newest first."""
    found: dict[date, list[Commit]] = {}
    for day, commit in table.snapshot().all_commits:
        found.setdefault(day, []).append(commit)
    return found

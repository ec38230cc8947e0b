"""How long nights took, from what the commits of their tables say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from nightslate.programs.spec import Made
from nightslate.tables import Table
from nightslate.tables.rewriting import TAKEN_OUT
from nightslate.tables.snapshot import Commit

ENDS: Mapping[Made, Mapping[str, str]] = {
    "slates": {
        "ingested": "impressions",
        "attributed": "credits",
        "trained": "models",
        "published": "slates",
    },
    "assignments": {"ingested": "impressions", "compared": "readout_decisions", "assigned": "assignments"},
    "readouts": {"ingested": "impressions", "compared": "readout_decisions"},
}
"""By what a night is there for: the moments that it waits for, and the table whose commit tells each."""

_DAY = timedelta(days=1)


def seconds_between(
    tables: Mapping[str, Table], nights: list[date], ends: Mapping[str, str]
) -> dict[date, dict[str, float]]:
    """How long it was until each of these moments from the one before it, in seconds, waits for a free worker
    included; nothing of nights whose commits Delta's log does not go back to, or that were ingested and not
    published since.

    A night begins with the newest attempt to ingest it. Of commits after that the first counts: what was run
    again later, or published between nights, is not what the night took.
    """
    commits = {moment: _by_day(tables[table]) for moment, table in ends.items()}
    found = {}
    for night in nights:
        ingested = commits["ingested"].get(night, [])
        if not ingested:
            continue
        began, ended = datetime.fromtimestamp(ingested[0].token / 1e6, UTC), ingested[0].at
        seconds = {"ingested": (ended - began).total_seconds()}
        for moment, table in list(ends.items())[1:]:
            of_slates = tables[table].contract.partition == "slate_date"
            day = night + _DAY if of_slates else night
            after = [commit.at for commit in commits[moment].get(day, []) if commit.at >= ended]
            if not after:
                break
            seconds[moment] = (after[-1] - ended).total_seconds()
            ended = after[-1]
        else:
            found[night] = seconds
    return found


def _by_day(table: Table) -> dict[date, list[Commit]]:
    """The commits of each day, the newest first."""
    found: dict[date, list[Commit]] = {}
    for day, commit in table.snapshot().all_commits:
        if not commit.metadata.keys().isdisjoint(TAKEN_OUT):  # no night made it
            continue
        found.setdefault(day, []).append(commit)
    return found

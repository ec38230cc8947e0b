"""Days that were emptied because they were older than the program keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from nightslate.errors import SpecError
from nightslate.pipeline.night import Night
from nightslate.programs.retention import LEARNT_FROM
from nightslate.tables import Table
from nightslate.tables.rewriting import RETENTION


def require_kept(night: Night, tables: Mapping[str, Table], days: Collection[date]) -> None:
    """Raise SpecError where a night goes back to days that were emptied: it would learn from less than it
    did, and than it says."""
    kept = night.program.retention.tables if night.program.retention else {}
    for name in sorted(kept.keys() & LEARNT_FROM):
        written = tables[name].snapshot().written()
        gone = [day for day in days if (commit := written.get(day)) and RETENTION in commit.metadata]
        if gone:
            raise SpecError(
                f"{night.name} {night.ds}: it goes back to {len(gone)} days of {name} from {min(gone)} to"
                f" {max(gone)}, which retention.tables has emptied. Run later nights; or take `retention`"
                " away, land these days again and run their nights, oldest first"
            )

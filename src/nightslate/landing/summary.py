"""What a run of `nightslate land` has done, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from nightslate.landing.land import Landing


def lines(landing: Landing) -> Iterator[str]:
    """What was landed and where it goes on, then what a person should look at."""
    landed, log = landing.landed, landing.log
    count = sum(landed.messages.values()) + sum(landed.late.values())
    where = f" ({_by_day(landed.messages)})" if landed.messages else ""
    yield f"{log}: {count:,} messages of {landing.topic.source} in {landed.files} files{where}"
    yield f"next offsets: {', '.join(f'{p}: {o}' for p, o in sorted(landing.next.items())) or 'none'}"
    if landed.holes:
        yield f"{landed.holes:,} offsets hold no message: compacted away, or markers of transactions"
    if landed.closed:
        yield f"closed: {', '.join(map(str, landed.closed))}"
    if landed.left_open:
        yield f"open: {landed.left_open}"
    if landed.reopened:
        yield (
            f"{landed.reopened} has landed again: run its night and those after it again, oldest first"
            f" (nightslate backfill --program {log.program.program} --from {landed.reopened} --to ...)"
        )
    if landed.skipped:
        yield f"Look: {landed.skipped:,} offsets are recorded as lost (--restart)"
    if landed.late:
        yield f"Look: of days that had landed: {_by_day(landed.late)}. They wait, and no night reads them"
    if waiting := log.waiting():
        days = ", ".join(map(str, waiting))
        yield f"Look: messages wait beside {days}. --reopen DAY puts them in; then run that night again"


def _by_day(counts: Mapping[date, int]) -> str:
    return ", ".join(f"{day}: {messages:,}" for day, messages in sorted(counts.items()))

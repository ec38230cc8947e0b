"""What is to be sent on a day, as the night before has said it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError, SpecError
from nightslate.pipeline.night import Night

ORDER = [("send_at", "ascending"), ("send_id", "ascending")]


def sends_of(night: Night, channel: str | None = None) -> pa.Table:
    """The sends of the day `night.ds` that have no reason against them, of one channel or all, by the time at
    which they may begin. Raises SpecError for a program that does not send, or a channel that it does not
    have, ContractError where no night has said what is sent on the day."""
    said, day = night.program.sends, night.ds
    if said is None:
        raise SpecError(f"{night.name} sends nothing: its YAML lacks the key `sends`")
    if channel is not None and channel not in said.channels:
        raise SpecError(f"{night.name} has no channel {channel!r} (there: {', '.join(said.channels)})")
    snapshot = night.table("sends").snapshot()
    if day not in snapshot.written():
        raise ContractError(
            f"nobody has said yet what {night.name} sends on {day}: the step `send` of the night before does"
        )
    rows = snapshot.to_arrow(day, day)
    due = rows.filter(rows["reason"].is_null()).drop_columns("reason")
    return (due if channel is None else due.filter(pc.equal(due["channel"], channel))).sort_by(ORDER)

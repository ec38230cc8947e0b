"""The verdict that conformed rows carry: why a row is rejected, and the clause it breaks."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def rejected(rows: pa.Table, broken: pa.ChunkedArray, reason: str, clause: str) -> pa.Table:
    """The rows with a verdict on those that are `broken` and have none yet."""
    fresh = pc.and_(broken, rows["_reason"].is_null())
    for name, text in {"_reason": reason, "_clause": clause}.items():
        at = rows.schema.get_field_index(name)
        verdict = pc.if_else(fresh, pa.scalar(text), rows[name])
        rows = rows.set_column(at, rows.schema.field(at), verdict)
    return rows

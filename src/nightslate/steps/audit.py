"""What was staged, checked before anyone can read it: contract, expectations, propensities recomputed."""

from __future__ import annotations

import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.errors import ContractError
from nightslate.kernels.audit import faults
from nightslate.steps.inputs import bucket_input
from nightslate.steps.night import Night
from nightslate.tables import Staged, Table

_SHOWN = 10


def run(night: Night) -> str:
    """Marks the staged slates as audited, or raises ContractError with what is wrong. What is published
    by now was sound before that."""
    table = night.table("slates")
    staged = table.staged(night.slate_date)
    if not table.is_published(staged):
        try:
            _audit(night, table, staged)
        except Exception:
            # Files vanish under us where another process has published them meanwhile: then that is the news.
            if not table.is_published(staged):
                raise
    return f"{staged.rows} slates are sound: contract, ids, floor, and propensities to 1e-12"


def _audit(night: Night, table: Table, staged: Staged) -> None:
    table.verify(staged)
    program, slate_date = night.program, night.slate_date
    inputs = {
        "slates": Input(staged.data_files, arrow.schema(table.contract), partition="slate_date"),
        "users": bucket_input(night, "users", ("user_id",), night.ds),
    }

    def counted(tables: Tables) -> pa.Table:
        found = faults(
            tables["slates"], tables["users"], program.program, slate_date, program.floor, program.depth
        )
        return found.group_by("fault").aggregate([("slate_id", "count"), ("slate_id", "min")])

    by_bucket = night.engine.map(counted, Work(inputs, program.buckets))
    wrong = by_bucket.group_by("fault").aggregate([("slate_id_count", "sum"), ("slate_id_min", "min")])
    if wrong.num_rows:
        lines = [
            f"  {w['fault']}: {w['slate_id_count_sum']} rows, such as {w['slate_id_min_min']}"
            for w in wrong.slice(0, _SHOWN).to_pylist()
        ]
        raise ContractError("the staged slates are not sound and will not be published:\n" + "\n".join(lines))
    staged.mark_audited()

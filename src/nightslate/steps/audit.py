"""What was staged, checked before anyone can read it: contract, expectations, propensities recomputed."""

from __future__ import annotations

from nightslate.errors import ContractError
from nightslate.frames.auditing import faults
from nightslate.frames.checkpoint import check
from nightslate.steps.night import Night
from nightslate.tables import Staged, Table
from nightslate.tables import spark as spark_tables

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
    slates = spark_tables.read_staged(night.spark, staged, table.contract)
    users = spark_tables.read(night.spark, night.table("users").snapshot(), night.ds, night.ds)
    program = night.program
    people = users.select("user_id")
    found = faults(slates, people, night.name, night.slate_date, program.floor, program.depth)
    wrong = found.groupBy("fault").agg({"*": "count", "slate_id": "min"}).toArrow().to_pylist()
    if wrong:
        lines = [
            f"  {w['fault']}: {w['count(1)']} rows, such as {w['min(slate_id)']}" for w in wrong[:_SHOWN]
        ]
        raise ContractError("the staged slates are not sound and will not be published:\n" + "\n".join(lines))
    check({f"{night.name} slates {night.slate_date}": (slates, table.contract)}, night.data_docs)
    staged.mark_audited()

"""What `nightslate propensities` prints for people."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from rich.table import Table

from nightslate.reports.numbers import count, significant
from nightslate.reports.terminal import add_row, table_of

SHOWN = 10


def propensities_table(rows: pa.Table) -> Table:
    """The first rows: a line a slot or, where there are no rankings, a line a candidate; in the caption, how
    many rows there are."""
    first = rows.slice(0, SHOWN).to_pylist()
    ranked = any(row["slate_arms"] is not None for row in first)
    table = _of_slates(first) if ranked else _of_candidates(first)
    more = rows.num_rows - len(first)
    table.caption = f"{count(more)} more rows: --json or --out gives all" if more else None
    table.caption_justify = "left"
    return table


def _of_slates(rows: list[dict[str, Any]]) -> Table:
    table = table_of(">row", ">slot", "arm", ">conditional", ">marginal", ">joint")
    for number, row in enumerate(rows, start=1):
        slots = zip(row["slate_arms"], row["conditional"], row["marginal"], strict=True)
        for slot, (arm, conditional, marginal) in enumerate(slots, start=1):
            head, joint = (count(number), significant(row["joint"])) if slot == 1 else (" ", " ")
            add_row(table, head, count(slot), arm, significant(conditional), significant(marginal), joint)
    return table


def _of_candidates(rows: list[dict[str, Any]]) -> Table:
    slots = len(rows[0]["marginal"]) if rows else 0
    table = table_of(">row", "arm", *(f">slot {slot}" for slot in range(1, slots + 1)))
    for number, row in enumerate(rows, start=1):
        for place, arm in enumerate(row["candidates"]):
            marginals = (significant(slot and slot[place]) for slot in row["marginal"])
            add_row(table, count(number) if place == 0 else " ", str(arm), *marginals)
    return table

"""What the terminal prints at the end of a night: the evaluation, the gate's decisions, a few slates."""

from __future__ import annotations

import json
import re

import pyarrow as pa
from rich.console import Group
from rich.table import Table
from rich.text import Text

from nightslate.reports.numbers import MINUS, MISSING, Reward, count, percent, short, significant
from nightslate.reports.wording import evidence, in_words

PLAIN = Reward("reward", rate=False)
SHOWN_ARMS = 5
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def evaluation_table(evaluations: pa.Table, reward: Reward = PLAIN) -> Table:
    """Every estimate with its interval and effective samples; paired differences carry their sign."""
    table = table_of(
        "policy", "estimator", f">{reward.name}", ">interval", ">effective samples", ">impressions"
    )
    for row in evaluations.to_pylist():
        paired = row["reference"] is not None
        name = f"{row['policy']} {MINUS} {row['reference']}" if paired else row["policy"]
        value = reward.difference if paired else reward.value
        interval = reward.difference_interval if paired else reward.interval
        add_row(
            table,
            name,
            row["estimator"].upper(),
            value(row["value"]),
            interval(row["lower"], row["upper"]),
            significant(row["ess"]),
            count(row["n"]),
        )
    return table


def promotions_table(promotions: pa.Table, reward: Reward = PLAIN) -> Group:
    """The gate's decisions; below them, why each challenger that was kept out was."""
    table = table_of("challenger", "against", "decision", ">evidence", ">days", ">difference", ">at least")
    rows = promotions.to_pylist()
    for row in rows:
        add_row(
            table,
            row["challenger"],
            row["champion_before"],
            row["decision"],
            evidence(row),
            count(row["cohorts"]),
            reward.difference(row["difference"]),
            reward.difference(row["lower"]),
        )
    why = [
        plain(f"{row['challenger']}: {'; '.join(map(in_words, row['reasons']))}")
        for row in rows
        if row["reasons"]
    ]
    return Group(table, *why)


def slates_table(slates: pa.Table, limit: int = 5) -> Table:
    """The first `limit` slates: the head of each ranking, every arm with its propensity."""
    table = table_of("user", "variant", "policy", f"first {SHOWN_ARMS} arms (propensity)")
    for row in slates.slice(0, limit).to_pylist():
        shown = list(zip(row["ranking"], row["propensities"], strict=True))[:SHOWN_ARMS]
        arms = "  ".join(f"{arm} ({percent(propensity)})" for arm, propensity in shown)
        add_row(table, row["user_id"][:8], row["variant"], row["policy"], arms)
    return table


def quarantine_table(quarantine: pa.Table) -> Table:
    """How many rows of each file were turned away, by the clause that they broke, and the first of them: its
    number and the value at fault; the most first."""
    by = ["log", "file", "reason", "clause"]
    in_order = quarantine.sort_by([("row_number", "ascending")]).group_by(by, use_threads=False)
    counts = in_order.aggregate([([], "count_all"), ("row_number", "first"), ("row", "first")])
    table = table_of("log", "file", "why", "clause", ">rows", ">first", "value")
    for row in counts.sort_by([("count_all", "descending")]).to_pylist():
        number = None if row["row_number_first"] is None else count(row["row_number_first"])
        why, value = in_words(row["reason"]), _value_at_fault(row["clause"], row["row_first"])
        add_row(table, row["log"], row["file"], why, row["clause"], count(row["count_all"]), number, value)
    return table


def _value_at_fault(clause: str, row: str | None) -> str | None:
    """Of the column that a clause begins with, if it is about one."""
    values = json.loads(row) if row else {}
    column = clause.split(" ", 1)[0]
    return short(json.dumps(values[column], ensure_ascii=False)) if column in values else None


def table_of(*columns: str) -> Table:
    """A table whose headers with a leading > are those of numbers."""
    table = Table(header_style="dim", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return table


def add_row(table: Table, *cells: str | None) -> None:
    """A row of plain text: an id in [brackets] is no markup, and a control character no command."""
    table.add_row(*(plain(cell or MISSING) for cell in cells))


def plain(text: str) -> Text:
    """Text that is neither markup nor a command."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))

"""The data dictionary: `python -m nightslate.contracts.markdown > docs/tables.md`."""

import sys
from collections.abc import Iterable

from nightslate.contracts.contract import Column, Contract
from nightslate.contracts.odcs import load, tables

_HEAD = """# Tables

Made from `schemas/*.odcs.yaml` by `python -m nightslate.contracts.markdown > docs/tables.md`; change the
schemas, not this page. Times are in UTC, to the microsecond. Numbers are finite everywhere. Keys are unique
within a day.
"""


def page(contracts: Iterable[Contract]) -> str:
    """A Markdown page with one section a table."""
    return "\n".join([_HEAD, *(_section(contract) for contract in contracts)])


def _section(contract: Contract) -> str:
    key = ", ".join(f"`{name}`" for name in contract.key) or "none"
    return "\n".join(
        [
            f"## {contract.name}",
            "",
            f"{contract.description} One row is {contract.grain}.",
            f"Key: {key}. Partition: `{contract.partition}`.",
            "",
            "| column | type | null | rules | meaning |",
            "|---|---|---|---|---|",
            *(_row(column) for column in contract.columns),
            "",
        ]
    )


def _row(column: Column) -> str:
    rules = [
        clause.text.removeprefix(f"{column.name} ")
        for clause in column.clauses()
        if clause.rule not in ("required", "finite")
    ]
    null = "no" if column.required else "yes"
    cells = [f"`{column.name}`", f"`{column.type}`", null, ", ".join(rules), column.description]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page(load(table) for table in tables()))

"""Brings a table that exists to what its contract says by now.

Columns that may be null are added; nothing is rewritten, and files without such a column are read as nulls.
CHECK constraints follow the contract, in a form that every engine parses. Each change is a commit of metadata
alone. Of several processes that make one at once one succeeds; the others get a CommitFailedError, open the
table again and find less to do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from deltalake import DeltaTable, Field
from deltalake.exceptions import CommitFailedError, DeltaError

from nightslate.contracts import Contract, delta
from nightslate.errors import SpecError

_CONSTRAINT = "delta.constraints."
_RULES = "nightslate.constraints"
_BROKEN = "failed validation check"


def rules(contract: Contract) -> dict[str, str]:
    """The property that says which constraints a table was brought to: Delta stores them in other words."""
    return {_RULES: json.dumps(delta.constraints(contract), sort_keys=True)}


def require_partitions(table: DeltaTable, contract: Contract) -> None:
    """Raises SpecError where the table is laid out for other issues than the contract."""
    if tuple(table.metadata().partition_columns) != contract.partitions:
        raise SpecError(
            f"{table.table_uri}: it was written by a program with"
            f" {'one issue' if contract.by_issue else 'several issues'}, which this one has no more. Undo the"
            " change, give the program another name, or move its tables away and backfill them"
        )


def missing_columns(table: DeltaTable, contract: Contract) -> Sequence[Field]:
    """The columns of the contract that the table does not have yet; all of them may be null.

    Raises SpecError, naming the columns, where the two differ in any other way. Their order does not matter.
    """
    stored = {field.name: field for field in table.schema().fields}
    wanted = {field.name: field for field in delta.schema(contract).fields}
    differences = list(_differences(stored, wanted))
    if differences:
        raise SpecError(
            f"{table.table_uri}: {'; '.join(differences)}. Undo the change, or move the table away and"
            " backfill it"
        )
    return [field for name, field in wanted.items() if name not in stored]


def _differences(stored: Mapping[str, Field], wanted: Mapping[str, Field]) -> Iterator[str]:
    for name, field in stored.items():
        if name not in wanted:
            yield f"the table holds {_worded(field)}, which is not declared"
    for name, field in wanted.items():
        if name in stored and stored[name] != field:
            yield f"{_worded(field)} is declared, the table holds {_worded(stored[name])}"
        if name not in stored and not field.nullable:
            yield f"{_worded(field)} is new and would have to be null in older rows"


def bring_to_constraints(table: DeltaTable, contract: Contract) -> None:
    """Drops the constraints that the contract has no more, and adds those that it has by now.

    A constraint that rows of earlier days break (the program has fewer slots than it had) is left out: those
    rows were right in their day, and new ones are held against the contract before they are committed.
    """
    configuration = table.metadata().configuration
    wanted = delta.constraints(contract)
    stored = {key.removeprefix(_CONSTRAINT) for key in configuration if key.startswith(_CONSTRAINT)}
    # Before this property was kept, every constraint was nightslate's own.
    known = json.loads(configuration[_RULES]) if _RULES in configuration else dict.fromkeys(stored)
    if known == wanted:
        return
    outdated = {name for name in stored & known.keys() if known[name] != wanted.get(name)}
    for name in sorted(outdated):
        table.alter.drop_constraint(name)
    add_constraints(table, {name: rule for name, rule in wanted.items() if name not in stored - outdated})
    table.alter.set_table_properties(rules(contract), raise_if_not_exists=False)


def add_constraints(table: DeltaTable, constraints: Mapping[str, str]) -> None:
    """Adds those constraints that every row of the table keeps, all in one commit if that is all of them.

    Raises SpecError where Delta cannot read one.
    """
    if not constraints:
        return
    try:
        table.alter.add_constraint(dict(constraints))
    except CommitFailedError:
        raise
    except DeltaError as error:
        if _BROKEN not in str(error):
            raise SpecError(
                f"{table.table_uri}: Delta cannot hold the contract's rules; a column named like an SQL"
                f" keyword does that, rename it ({error})"
            ) from error
        if len(constraints) > 1:
            for name, rule in constraints.items():
                add_constraints(table, {name: rule})


def _worded(field: Field) -> str:
    kind = json.loads(field.type.to_json())
    kind = kind if isinstance(kind, str) else f"array of {kind['elementType']}"
    return f"{field.name} {kind}{'' if field.nullable else ' not null'}"

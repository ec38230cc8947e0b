"""Opens a Delta table, and creates it with its schema, partitioning and constraints where there is none."""

import shutil
import uuid
from pathlib import Path

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from nightslate.contracts import Contract, delta
from nightslate.errors import SpecError

# A year of nights can be told apart and rolled back to, as far as vacuum has left their files.
_CONFIGURATION = {"delta.logRetentionDuration": "interval 365 days"}


def opened(path: Path, contract: Contract) -> DeltaTable | None:
    """The newest version of the table, or None where there is none yet.

    Raises SpecError where the stored columns are not those of the contract.
    """
    if not DeltaTable.is_deltatable(str(path)):
        return None
    table = DeltaTable(path)
    stored, wanted = table.schema(), delta.schema(contract)
    if stored != wanted:
        raise SpecError(
            f"{path}: the table holds ({_listed(stored)}), the contract says ({_listed(wanted)});"
            " move the table away and backfill it, or undo the change"
        )
    return table


def opened_or_created(path: Path, contract: Contract) -> DeltaTable:
    """The newest version of the table; of several processes that create it at once, one does."""
    return opened(path, contract) or _created(path, contract)


def _created(path: Path, contract: Contract) -> DeltaTable:
    # Two commits make a table (delta-rs takes no constraints at creation), so they are made aside, and one
    # rename, which fails where the table exists by now, lets everybody see both.
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        table = DeltaTable.create(
            draft,
            schema=delta.schema(contract),
            partition_by=contract.partition,
            name=contract.name,
            description=contract.description,
            configuration=_CONFIGURATION,
        )
        constraints = delta.constraints(contract)
        if constraints:
            table.alter.add_constraint(constraints)
        draft.rename(path)
    except DeltaError as error:
        raise SpecError(
            f"{path}: Delta cannot hold the contract's rules; a column named like an SQL keyword does that,"
            f" rename it ({error})"
        ) from error
    except OSError:
        if not DeltaTable.is_deltatable(str(path)):
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return opened_or_created(path, contract)


def _listed(schema: Schema) -> str:
    return ", ".join(
        f"{field.name} {field.type.to_json()}{'' if field.nullable else ' not null'}"
        for field in schema.fields
    )

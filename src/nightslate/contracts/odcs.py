"""Reads schemas/*.odcs.yaml. How a contract says what the standard has no single word for:

- physicalType is the column's type, in the words of Delta and Spark SQL;
- transformLogic marks a column that a landing file does not bring;
- classification "pseudonym" marks an id that is replaced at ingest;
- the custom property landingRequiredUnless names the column that lets a landing row leave this one out;
- consent names the column of the same row without which this one is null;
- landingRounding says by how much a landing value may exceed the maximum and still be the maximum;
- landingFreeText marks text that may have line breaks in a CSV file;
- partitioned is the table's one partition column, the last in the file.
"""

from functools import cache
from pathlib import Path
from typing import cast

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty
from pydantic import ValidationError

from nightslate.contracts.contract import Column, Contract, Type
from nightslate.errors import SpecError

_PACKAGED = Path(__file__).parent / "schemas"
SCHEMAS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "schemas"
_ENDING = ".odcs.yaml"


@cache
def load(table: str) -> Contract:
    """The contract of a table. Raises SpecError for a table that has none."""
    if table not in tables():
        raise SpecError(f"no contract for table {table!r}; there is one for {', '.join(tables())}")
    return read(SCHEMAS / f"{table}{_ENDING}")


@cache
def tables() -> tuple[str, ...]:
    """The names of all tables that have a contract, sorted."""
    return tuple(sorted(path.name.removesuffix(_ENDING) for path in SCHEMAS.glob(f"*{_ENDING}")))


def read(path: Path) -> Contract:
    """One contract. Raises SpecError, naming the file, where it is not one that nightslate can hold."""
    try:
        document = OpenDataContractStandard.model_validate(yaml.safe_load(path.read_text()))
        (table,) = document.schema_ or []
        contract = _contract(table)
    except (yaml.YAMLError, ValidationError, ValueError, SpecError) as error:
        raise SpecError(f"{path.name}: {error}") from error
    if path.name != f"{contract.name}{_ENDING}":
        raise SpecError(f"{path.name}: describes the table {contract.name}, name the file after it")
    return contract


def _contract(table: SchemaObject) -> Contract:
    properties = table.properties or []
    columns = tuple(_column(column) for column in properties)
    partitions = [column.name for column in properties if column.partitioned]
    if not columns or partitions != [columns[-1].name]:
        raise SpecError(f"one column, the last, must be partitioned; found {partitions}")
    key = sorted((p.primaryKeyPosition or 0, p.name or "") for p in properties if p.primaryKey)
    return Contract(
        name=table.name or "",
        description=(table.description or "").strip(),
        grain=table.dataGranularityDescription or "",
        columns=columns,
        key=tuple(name for _, name in key),
        partition=columns[-1].name,
    )


def _column(column: SchemaProperty) -> Column:
    options = column.logicalTypeOptions or {}
    custom = {extra.property: extra.value for extra in column.customProperties or ()}
    return Column(
        name=column.name or "",
        type=cast(Type, (column.physicalType or "").lower()),
        description=column.description or "",
        required=bool(column.required),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        exclusive_minimum=options.get("exclusiveMinimum"),
        exclusive_maximum=options.get("exclusiveMaximum"),
        allowed=tuple(str(value.value) for value in column.enum or ()),
        pattern=options.get("pattern", ""),
        min_length=options.get("minLength", 0),
        max_length=options.get("maxLength", 0),
        required_unless=custom.get("landingRequiredUnless"),
        derived=column.transformLogic is not None,
        pseudonym=column.classification == "pseudonym",
        rounding=float(custom.get("landingRounding") or 0.0),
        consent=custom.get("consent"),
        free_text=bool(custom.get("landingFreeText")),
    )

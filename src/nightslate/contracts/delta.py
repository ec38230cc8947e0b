"""A contract in Delta's terms: the stored schema, and its clauses as CHECK constraints.

NOT NULL is part of the schema, so `required` needs no constraint. To delta-rs NaN is above every number: it
keeps a lower bound, but never `finite`, which every column of such numbers has.
"""

from deltalake import Schema

from nightslate.contracts import arrow
from nightslate.contracts.contract import Clause, Contract, Rule

_WORDS: dict[Rule, str] = {
    "consented": "consented",
    "finite": "is_finite",
    ">": "above",
    ">=": "at_least",
    "<": "below",
    "<=": "at_most",
    "length": "length",
    "one_of": "allowed",
    "matches": "pattern",
}


def schema(contract: Contract) -> Schema:
    """The schema of the table, partition column included."""
    return Schema.from_arrow(arrow.schema(contract))


def constraints(contract: Contract) -> dict[str, str]:
    """CHECK constraints: name -> SQL that is true for every row that keeps the clause."""
    return {
        f"{clause.column.name}_{_WORDS[clause.rule]}": check(clause)
        for clause in contract.clauses()
        if clause.rule != "required"
    }


def check(clause: Clause) -> str:
    """One clause as SQL. A null keeps it: whether null is allowed is the schema's business."""
    name = f"`{clause.column.name}`"
    return f"{name} IS NULL OR ({_holds(clause, name)})"


def _holds(clause: Clause, name: str) -> str:
    match clause.rule:
        case "consented":
            said = f"`{clause.column.consent}`"
            return f"{said} IS NOT NULL AND {said}"
        case "finite":
            # NaN and the infinities have no SQL literal that every engine reads; times 0 they are NaN.
            return f"NOT isnan({name} * 0)"
        case "length":
            least, most = clause.column.min_length, clause.column.max_length
            return f"character_length({name}) >= {least} AND character_length({name}) <= {most}"
        case "one_of":
            return f"{name} IN ({', '.join(_quoted(value) for value in clause.column.allowed)})"
        case "matches":
            # Delta-rs stores regexp_like as the operator ~, which Spark SQL cannot parse.
            return f"regexp_count({name}, {_quoted(clause.column.pattern)}) = 1"
        case _:
            return f"{name} {clause.rule} {clause.bound}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""A contract as a Great Expectations suite: every clause, and the uniqueness of the key.

They are run on pandas, over samples: to it NaN is a missing value, so that `finite` says nothing there. What
holds a contract is what its clauses say where rows are taken in and verified.
"""

import sys

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from nightslate.contracts.contract import Clause, Contract

_LARGEST = sys.float_info.max


def suite(contract: Contract) -> gx.ExpectationSuite:
    """The suite of a table; each expectation's `meta["clause"]` is the clause's text."""
    expectations = [_expectation(clause) for clause in contract.clauses()]
    if contract.key:
        expectations.append(_unique(contract))
    return gx.ExpectationSuite(name=contract.name, expectations=expectations)


def _expectation(clause: Clause) -> Expectation:
    column, meta = clause.column.name, {"clause": clause.text}
    match clause.rule:
        case "required":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "consented":
            return gxe.ExpectColumnValuesToBeNull(
                column=column,
                row_condition=f"{clause.column.consent} != True",
                condition_parser="pandas",
                meta=meta,
            )
        case "finite":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=-_LARGEST, max_value=_LARGEST, meta=meta
            )
        case ">" | ">=":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=clause.bound, strict_min=clause.rule == ">", meta=meta
            )
        case "<" | "<=":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, max_value=clause.bound, strict_max=clause.rule == "<", meta=meta
            )
        case "length":
            return gxe.ExpectColumnValueLengthsToBeBetween(
                column=column,
                min_value=clause.column.min_length,
                max_value=clause.column.max_length,
                meta=meta,
            )
        case "one_of":
            return gxe.ExpectColumnValuesToBeInSet(
                column=column, value_set=list(clause.column.allowed), meta=meta
            )
        case _:
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=clause.strict_pattern, meta=meta)


def _unique(contract: Contract) -> Expectation:
    meta = {"clause": f"({', '.join(contract.key)}) is unique"}
    if len(contract.key) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=contract.key[0], meta=meta)
    key = list(contract.key)
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=key, ignore_row_if="never", meta=meta)

"""What a column may hold that a program declares: of its contexts, or of its arms."""

from dataclasses import replace
from functools import cache
from typing import Literal

from nightslate.contracts.contract import Column

_OF_TYPE = {
    "category": Column(name="category", type="string", max_length=500),
    "number": Column(name="number", type="double", minimum=-(10**15), maximum=10**15),
}
"""The square of a number, and sums of such, are numbers still."""


@cache
def feature_column(name: str, kind: Literal["category", "number"]) -> Column:
    """A feature as a column of a table."""
    return replace(_OF_TYPE[kind], name=name)

"""What a column may hold that a program declares: of its contexts, or of its arms, or of both together."""

from dataclasses import replace
from functools import cache
from typing import Literal

from nightslate.contracts.contract import Column

_OF_TYPE = {
    "category": Column(name="category", type="string", max_length=500),
    "number": Column(name="number", type="double", minimum=-(10**15), maximum=10**15),
    "day": Column(name="day", type="string", pattern=r"^\d{4}-\d{2}-\d{2}$"),
    "by_arm": Column(name="by_arm", type="map<string,double>"),
}
"""The square of a number, and sums of such, are numbers still. By arm: a number for each value of an arm."""


@cache
def feature_column(name: str, kind: Literal["category", "number", "day", "by_arm"]) -> Column:
    """A feature as a column of a table."""
    return replace(_OF_TYPE[kind], name=name)

"""What a column may hold that a program declares: of its contexts, or of its arms, or of both together."""

from collections.abc import Iterable, Mapping, Sequence
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

_CONSENT = "Whether the user agrees to the use of what is null without it; null, as false, is no."


@cache
def feature_column(name: str, kind: Literal["category", "number", "day", "by_arm"]) -> Column:
    """A feature as a column of a table."""
    return replace(_OF_TYPE[kind], name=name)


def with_consents(
    columns: Sequence[Column], needs: Mapping[str, str], also: Iterable[str] = ()
) -> list[Column]:
    """Columns of a table of users, those that take a consent with the column that says who has given it, and
    these columns. needs: see `Program`; also: such columns that are there whatever takes them."""
    own = [replace(column, consent=needs.get(column.name)) for column in columns]
    said = dict.fromkeys([*also, *(column.consent for column in own if column.consent)])
    return [*own, *(Column(name=name, type="boolean", description=_CONSENT) for name in said)]

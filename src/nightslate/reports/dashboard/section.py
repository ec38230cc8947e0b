"""What a section of the dashboard is: rows, charts of them, a table of them, and what filters them.

The page's filters by issue and by nights reach every section that has the columns `issue` and `day`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import Drawn

Written = Literal["text", "day", "night", "number", "count", "share", "seconds", "yes_or_no"]
"""How the page writes a value. A share of 1 is written in percent; a night links to its page."""


@dataclass(frozen=True)
class Column:
    """A column of a section's table: which of its rows' columns it is, how it is headed and how written."""

    field: str
    title: str
    written: Written = "number"


@dataclass(frozen=True)
class Pick:
    """A filter of one section by the values of a column: any number of them, or `one`, where rows of several
    can't stand on one axis."""

    field: str
    title: str
    one: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart over rows of its section, which are the data set `rows` of its specification.

    alternative: what it says to those who do not see it. by: the column whose names it tells apart, in the
    same colours whatever is picked. unit: whether it is in the unit of the issue's reward, as a value or as a
    difference. newest: whether it shows the newest night within the range alone. row_height: of a chart that
    has a line for each row, in pixels; None for a chart as high as the others."""

    title: str
    chart: Drawn
    alternative: str
    by: str | None
    unit: Literal["value", "difference"] | None = None
    newest: bool = False
    row_height: int | None = None


@dataclass(frozen=True)
class Tile:
    """A figure of the first screen: a column of the newest night's row that has these values elsewhere; with
    its `interval`, where it has one."""

    title: str
    field: str
    written: Written
    where: Mapping[str, str]
    interval: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page. name: of its place in the page. about: what its figures are.

    rows: in the order of nights (`day`, the night's ds), with `issue` where they are of issues. Names have
    their colours in the order in which they come first.
    newest: whether its table has the newest night within the range alone.
    of_all: whether every program with slates has it; else it stands on pages that have rows of it."""

    name: str
    title: str
    about: str
    rows: pa.Table
    charts: Sequence[Chart]
    columns: Sequence[Column]
    picks: Sequence[Pick] = ()
    tiles: Sequence[Tile] = ()
    newest: bool = True
    of_all: bool = True
    empty: str = "No night of this range has anything to show here."


@dataclass(frozen=True)
class SectionMaker:
    """How a section comes about: from these columns of these tables, all nights of them."""

    reads: Mapping[str, Sequence[str]]
    made: Callable[[DashboardReport], Section]

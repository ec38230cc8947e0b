"""What a table's rows must look like. Every renderer starts from the `Contract` here, from nothing else."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from nightslate.errors import SpecError

Type = Literal[
    "string",
    "int",
    "bigint",
    "float",
    "double",
    "date",
    "timestamp",
    "boolean",
    "array<string>",
    "array<float>",
    "array<double>",
    "array<timestamp>",
    "map<string,double>",
]
Rule = Literal[
    "required",
    "required_unless",
    "consented",
    "finite",
    ">",
    ">=",
    "<",
    "<=",
    "length",
    "one_of",
    "matches",
]
Reason = Literal["required", "out_of_range", "not_allowed"]

ISSUE = "issue"
"""The column that says which of a program's decision problems a row is about."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. Timestamps are in microseconds, UTC; a float column may hold finite numbers only."""

    name: str
    type: Type
    description: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    min_length: int = 0
    max_length: int = 0
    """Characters; 0 for text of any length. Of a pseudonym both lengths are those of the raw id."""
    required_unless: str | None = None
    """A column of the same log: a landing row that gives it may leave this one out, which ingest computes."""
    derived: bool = False
    """Not brought by a landing file; `ingest` or a later step computes it."""
    pseudonym: bool = False
    """Raw in a landing file, an HMAC from ingest on; `pattern` describes the pseudonym."""
    rounding: float = 0.0
    """A landing value that is over the maximum by no more than this is the maximum."""
    consent: str | None = None
    """The column of the same row that says whether its user has agreed to this one: without that it is null.
    A landing row may have a value all the same, which ingest drops."""
    free_text: bool = False
    """Quoted in a CSV file, its text may have line breaks."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SpecError(f"column {self.name!r}: a name is lower-case letters, digits and _, 63 at most")
        if self.type not in get_args(Type):
            raise SpecError(f"column {self.name}: unknown type {self.type!r}, use one of {get_args(Type)}")
        if self.pattern and not (self.pattern.startswith("^") and self.pattern.endswith("$")):
            raise SpecError(f"column {self.name}: pattern {self.pattern!r} must be anchored, ^...$")

    @property
    def fractional(self) -> bool:
        """Whether its values can be NaN or infinite."""
        return self.type in ("float", "double")

    @property
    def is_id(self) -> bool:
        """Whether it names a row of some table: what pandas wrote as 7.0 is 7."""
        return self.name.endswith("_id")

    def clauses(self) -> tuple["Clause", ...]:
        """What each value must satisfy, the most telling first: a null is not also out of range."""
        states: list[tuple[Rule, object]] = [
            ("required", self.required),
            ("consented", self.consent),
            ("finite", self.fractional),
        ]
        bounds: list[tuple[Rule, float | None]] = [
            (">", self.exclusive_minimum),
            (">=", self.minimum),
            ("<", self.exclusive_maximum),
            ("<=", self.maximum),
        ]
        forms: list[tuple[Rule, object]] = [
            ("length", self.max_length and not self.pseudonym),
            ("one_of", self.allowed),
            ("matches", self.pattern),
        ]
        return (
            *(Clause(self, rule) for rule, wanted in states if wanted),
            *(Clause(self, rule, bound) for rule, bound in bounds if bound is not None),
            *(Clause(self, rule) for rule, wanted in forms if wanted),
        )

    def landing_clauses(self) -> tuple["Clause", ...]:
        """What each value in a landing file must satisfy, where ids are raw and some values still to come."""
        awaited: dict[Rule, Rule] = {"required": "required_unless"} if self.required_unless else {}
        if self.pseudonym:
            awaited["matches"] = "length"
        return tuple(
            replace(clause, rule=awaited.get(clause.rule, clause.rule))
            for clause in self.clauses()
            if clause.rule != "consented"
            and not (self.pseudonym and clause.rule == "matches" and not self.max_length)
        )


@dataclass(frozen=True)
class Clause:
    """One condition on one column. A null breaks `required` alone; NaN breaks every rule about numbers."""

    column: Column
    rule: Rule
    bound: float = 0
    """What a comparison compares with; it is nothing to the other rules."""

    @property
    def text(self) -> str:
        """The clause as a person would write it: "propensity > 0"."""
        name = self.column.name
        match self.rule:
            case "required" | "finite":
                return f"{name} is {self.rule}"
            case "required_unless":
                return f"{name} is required unless {self.column.required_unless} is given"
            case "consented":
                return f"{name} is null without {self.column.consent}"
            case "length":
                return f"{name} has {self.column.min_length} to {self.column.max_length} characters"
            case "one_of":
                return f"{name} is one of {', '.join(self.column.allowed)}"
            case "matches":
                return f"{name} matches {self.column.pattern}"
            case _:
                return f"{name} {self.rule} {self.bound}"

    @property
    def strict_pattern(self) -> str:
        """The pattern for engines (Java, Python) whose $ also matches before a final line break."""
        return self.column.pattern + r"(?![\s\S])"

    @property
    def reason(self) -> Reason:
        """The reason under which a landing row that breaks the clause goes to quarantine."""
        if self.rule in ("required", "required_unless"):
            return "required"
        return "not_allowed" if self.rule in ("one_of", "matches") else "out_of_range"


@dataclass(frozen=True)
class Contract:
    """A table: its columns in order (that of the day last), its key and what its rows must satisfy.
    `partition`: the column of the day. `by_issue`: whether each issue of a day is a partition of its own."""

    name: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: str
    by_issue: bool = False

    @property
    def partitions(self) -> tuple[str, ...]:
        """The columns whose values a file has in common, and in its path."""
        return (self.partition, ISSUE) if self.by_issue else (self.partition,)

    @property
    def file_columns(self) -> tuple[Column, ...]:
        """What a data file holds: all but the columns that it is partitioned by."""
        return tuple(column for column in self.columns if column.name not in self.partitions)

    @property
    def tells_issues_apart(self) -> bool:
        """Whether each row is of one issue, whose step writes it without looking at the others."""
        return any(column.name == ISSUE and column.required for column in self.columns)

    @property
    def landing_columns(self) -> tuple[Column, ...]:
        """What a landing file brings."""
        return tuple(column for column in self.columns if not column.derived)

    @property
    def needs(self) -> dict[str, str]:
        """By column that takes a consent the column that says whether a row's user has given it."""
        return {column.name: column.consent for column in self.columns if column.consent is not None}

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SpecError(f"table {self.name} has no column {name!r}; it has {[c.name for c in self.columns]}")

    def clauses(self) -> tuple[Clause, ...]:
        """What every row of the table satisfies."""
        return tuple(clause for column in self.columns for clause in column.clauses())

    def landing_clauses(self) -> tuple[Clause, ...]:
        """What every row of a landing file satisfies."""
        return tuple(clause for column in self.landing_columns for clause in column.landing_clauses())

    def with_maximum(self, name: str, maximum: float) -> "Contract":
        """The contract with a tighter bound on one column. Raises SpecError where there is no such column."""
        return self._with(replace(self.column(name), maximum=maximum))

    def with_required(self, name: str) -> "Contract":
        """The contract with a column that every row has. Raises SpecError where there is no such column."""
        return self._with(replace(self.column(name), required=True))

    def with_columns(self, extra: Sequence[Column]) -> "Contract":
        """The contract with a program's own columns before the partition column.

        Raises SpecError where a name is taken, by the table or by another of the extra columns.
        """
        names = Counter(column.name for column in (*self.columns, *extra))
        taken = [column.name for column in extra if names[column.name] > 1]
        if taken:
            raise SpecError(f"table {self.name}: column {taken[0]!r} is declared twice, rename the program's")
        return replace(self, columns=(*self.columns[:-1], *extra, self.columns[-1]))

    def _with(self, column: Column) -> "Contract":
        """This column in place of that of its name."""
        return replace(self, columns=tuple(column if c.name == column.name else c for c in self.columns))

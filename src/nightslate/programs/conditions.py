"""A condition on what is known of a user, as a YAML file has it: `errors_7d >= 2 and plan not in [free]`."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nightslate.programs.logs import Feature

ColumnTypes = Mapping[str, str]
"""`category` or `number`, by column."""

COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OF_ANY_TYPE = ("==", "!=", "in", "not in")
_DEEPEST = 50


@dataclass(frozen=True)
class Comparison:
    """A column with a value, or with each of some (`in`, `not in`)."""

    column: str
    how: str
    value: str | float | tuple[str | float, ...]


@dataclass(frozen=True)
class Both:
    """All parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """Some part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Comparison | Both | Either | Not


def parse(text: str, types: ColumnTypes) -> Condition:
    """The condition that a text states in the words of Python: comparisons of columns with numbers, quoted or
    plain text, and lists of these, put together by and, or, not and brackets. Raises ValueError that names
    what can't be meant, where and why. Nothing of the text is ever run."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{text!r} is no condition; write one such as errors_7d >= 2 and plan == pro"
        ) from error
    return _Parser(text, types).condition(tree.body, 0)


def concern_of(text: str | None, context: Iterable[Feature]) -> Condition | None:
    """The condition on these columns of contexts; None without a text. Raises ValueError as `parse`."""
    return parse(text, {column.name: column.type for column in context}) if text else None


def columns_of(condition: Condition) -> tuple[str, ...]:
    """The columns that it looks at, each once."""
    match condition:
        case Comparison(column):
            return (column,)
        case Not(part):
            return columns_of(part)
        case Both(parts) | Either(parts):
            return tuple(dict.fromkeys(name for part in parts for name in columns_of(part)))


@dataclass(frozen=True)
class _Parser:
    text: str
    types: ColumnTypes

    def condition(self, node: ast.expr, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise ValueError(f"{self.text!r} is nested too deep")
        match node:
            case ast.BoolOp(ast.And(), values):
                return Both(tuple(self.condition(value, depth + 1) for value in values))
            case ast.BoolOp(ast.Or(), values):
                return Either(tuple(self.condition(value, depth + 1) for value in values))
            case ast.UnaryOp(ast.Not(), operand):
                return Not(self.condition(operand, depth + 1))
            case ast.Compare(left, ops, comparators):
                sides = [left, *comparators]
                pairs = zip(sides, ops, sides[1:], strict=False)
                found = tuple(self._comparison(*pair) for pair in pairs)
                return found[0] if len(found) == 1 else Both(found)
        raise self._error(node, "is no comparison")

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Comparison:
        how = COMPARISONS.get(type(op))
        if how is None:
            raise self._error(right, "is compared in a way that is not known here")
        if self._is_column(left):
            return self._compared(left, how, right)
        if self._is_column(right) and how in _TURNED:
            return self._compared(right, _TURNED[how], left)
        names = [node.id for node in (left, right) if isinstance(node, ast.Name)]
        near = difflib.get_close_matches(names[0], self.types, n=1) if names else []
        hint = f"; is {near[0]} what is meant?" if near else ""
        raise self._error(left, f"is no column: there are {', '.join(self.types)}{hint}")

    def _is_column(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.types

    def _compared(self, column: ast.expr, how: str, other: ast.expr) -> Comparison:
        name = column.id if isinstance(column, ast.Name) else ""
        if how in ("in", "not in"):
            if not isinstance(other, ast.List | ast.Tuple | ast.Set) or not other.elts:
                raise self._error(other, f"is no list of values; write {name} {how} [a, b]")
            return Comparison(name, how, tuple(self._value(name, each) for each in other.elts))
        if self.types[name] == "category" and how not in _OF_ANY_TYPE:
            raise self._error(other, f"is compared by {how} with {name}, which is text and has no order")
        return Comparison(name, how, self._value(name, other))

    def _value(self, name: str, node: ast.expr) -> str | float:
        """Text may stand without quotes, where it is one word."""
        is_number = self.types[name] == "number"
        match node:
            case ast.Constant(bool()):
                pass
            case ast.Constant(int() | float() as value) if is_number:
                return float(value)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)) if is_number:
                return -float(value)
            case ast.Constant(str() as value) if not is_number:
                return value
            case ast.Name(word) if not is_number and word not in self.types:
                return word
        kind = "a number" if is_number else "text"
        raise self._error(node, f"is not {kind}, as {name} is")

    def _error(self, node: ast.expr, why: str) -> ValueError:
        said = ast.get_source_segment(self.text.strip(), node) or ast.unparse(node)
        return ValueError(f"{said!r} in {self.text!r} {why}")

"""JSON lines: every line is one object, whose keys stand in it once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from nightslate.core.arrays import Ints
from nightslate.records.chunks import Chunk, Unreadable, Wrong
from nightslate.records.sources import Lines

NO_OBJECT = Wrong("unreadable_row", "the line is not one JSON object", "a line is one JSON object")
KEY_TWICE = Wrong("unreadable_row", "a key stands twice in the object", "a key stands once in an object")

EXACT = 2.0**53
"""From here on not every whole number is a floating point number."""

_OPEN, _CLOSE, _RETURN, _BREAK = b"{}\r\n"


class _KeyTwiceError(ValueError):
    pass


def read_json_lines(blocks: Iterator[bytes]) -> Iterator[Chunk]:
    """The lines that are not empty. Text stays text, also where it looks like a time, and a number a number;
    rows whose values of a column differ in type are in different chunks."""
    records, texts = 0, dict[str, pa.DataType]()
    for block in blocks:
        lines = Lines(block)
        count = int(np.count_nonzero(lines.filled))
        rows = _parsed(lines, count, texts)
        if rows is not None:
            yield Chunk(rows, np.arange(count) + records + 1)
        else:
            found = [lines.content(line) for line in np.flatnonzero(lines.filled).tolist()]
            found = [line for line in found if line.strip()]
            count = len(found)
            yield from _one_by_one(found, np.arange(count) + records + 1)
        records += count


def is_object(text: bytes) -> bool:
    """Whether text is one object, in which line breaks may stand between values."""
    return not isinstance(_object(text), Wrong)


def _parsed(lines: Lines, count: int, texts: dict[str, pa.DataType]) -> pa.Table | None:
    """The rows of lines, if each is one object and all have the same types. texts: of columns whose text
    Arrow would take for times; those of this block are added to it."""
    if not _are_objects(lines):
        return None
    try:
        rows = _read(lines.block, texts)
        times = {f.name: _textual(f.type) for f in rows.schema if _textual(f.type) != f.type}
        if times:
            texts |= times
            rows = _read(lines.block, texts)
        rows.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    inexact = any(_may_have_been_whole(column) for column in rows.columns)
    return None if inexact or rows.num_rows != count else rows


def _are_objects(lines: Lines) -> bool:
    """Whether each line begins and ends with a brace: then no object reaches over a line break, since none
    continues with an opening brace behind a closing one."""
    first, last = lines.bytes[lines.begins[lines.filled]], lines.ends[lines.filled] - 1
    for end in (_BREAK, _RETURN):
        last = last - (lines.bytes[last] == end)
    return bool(first.size and (first == _OPEN).all() and (lines.bytes[last] == _CLOSE).all())


def _read(block: bytes, texts: dict[str, pa.DataType]) -> pa.Table:
    rows = pyarrow.json.read_json(
        pa.BufferReader(block),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=pa.schema(texts)),
    )
    empty = [name for name in texts if rows[name].null_count == rows.num_rows]
    return rows.drop_columns(empty)  # it has each column that is asked for, also where the file has none


def _textual(kind: pa.DataType) -> pa.DataType:
    """The type with text in place of times."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_textual(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_textual(field.type)) for field in kind])
    return kind


def _may_have_been_whole(column: pa.ChunkedArray) -> bool:
    """Whether a number is so large that, as a whole one, it was not exact any more once it was read."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if not pa.types.is_floating(column.type):
        return False
    return bool(pc.any(pc.greater_equal(pc.abs(column), EXACT)).as_py())


def _one_by_one(lines: list[bytes], numbers: Ints) -> Iterator[Chunk]:
    """The slow path of lines with something odd among them."""
    objects: list[dict[str, Any]] = []
    places: list[int] = []
    unreadable: list[Unreadable] = []
    for place, line in enumerate(lines):
        found = _object(line)
        if isinstance(found, Wrong):
            unreadable.append(Unreadable(int(numbers[place]), found, line))
        else:
            objects.append(found)
            places.append(place)
    for number, group in enumerate(_alike(objects)):
        rows = _rows([objects[place] for place in group])
        yield Chunk(rows, numbers[[places[place] for place in group]], tuple(() if number else unreadable))
    if unreadable and not objects:
        yield Chunk(pa.table({}), numbers[:0], tuple(unreadable))


def _object(line: bytes) -> dict[str, Any] | Wrong:
    try:
        text = line.decode()
        found = json.loads(text, object_pairs_hook=_with_each_key_once)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half a surrogate is no text
    except _KeyTwiceError:
        return KEY_TWICE
    except (ValueError, RecursionError):
        return NO_OBJECT
    return found if isinstance(found, dict) else NO_OBJECT


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _KeyTwiceError
    return found


def _alike(objects: list[dict[str, Any]]) -> list[list[int]]:
    """The places of objects, those together whose values have the same types."""
    kinds: dict[str, set[str]] = {}
    for each in objects:
        for name, value in each.items():
            if value is not None:
                kinds.setdefault(name, set()).add(_kind(value))
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, each in enumerate(objects):
        groups.setdefault(tuple(_kind(each.get(name)) for name in mixed), []).append(place)
    return list(groups.values())


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {' or '.join(sorted({_kind(item) for item in value} - {_kind(None)}))}"
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "large int"
    return type(value).__name__


def _rows(objects: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for each in objects for name in each)
    return pa.table({name: _column([each.get(name) for each in objects]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    """Values of one kind; as JSON text where Arrow has no type for it."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([value if value is None else json.dumps(value) for value in values], pa.string())

"""CSV, in which every line is a record, but for line breaks inside the quotes of free text."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from nightslate.core.arrays import Bools
from nightslate.records.chunks import Block, Chunk, Unreadable, UnusableFileError, Wrong, require_each_once
from nightslate.records.sources import Lines

OPEN_QUOTE = Wrong(
    "unreadable_row",
    "a quote does not close in its line (text with line breaks needs Parquet or JSON lines)",
    "a quoted field ends in its line",
)
BEHIND_QUOTE = Wrong("unreadable_row", "text follows a closing quote", "a closing quote ends its field")
LONE_RETURN = Wrong(
    "unreadable_row",
    "a carriage return stands in the middle of the line",
    "a carriage return stands at the end of a line, or in quotes",
)
NOT_UTF_8 = Wrong("unreadable_row", "the line is not UTF-8 text", "a line is UTF-8 text")

_FIELD = r'(?:"(?:[^"\n]|"")*"|[^",\r\n][^,\r\n]*|)'
_WELL_FORMED = rf"^(?:{_FIELD},)*{_FIELD}\r?\n?$"
_MOST_LINES = 1000
"""Of a record with free text: a quote that is never closed is not looked for through a whole file."""


def read_csv(blocks: Iterator[bytes], free_text: Collection[str] = ()) -> Iterator[Chunk]:
    """The records below the header, all values as text, null where a field is empty. free_text: the columns
    in which a quoted value may have line breaks.

    Raises UnusableFileError where there is no header."""
    yield from (block.chunk for block in csv_blocks(blocks, free_text))


def csv_blocks(blocks: Iterator[bytes], free_text: Collection[str] = ()) -> Iterator[Block]:
    """As `read_csv`, with the lines of the file, the header's first."""
    block = next(blocks, b"")
    header, newline, block = block.lstrip(b"\r\n").partition(b"\n")
    if not header:
        raise UnusableFileError("schema_mismatch", "an empty file: a CSV file starts with a header")
    reader = _Reader(_names(header), free_text)
    yield Block(header + newline, np.zeros(1, dtype=np.int64), Chunk(reader.nothing, np.arange(0)))
    for following in blocks:
        yield reader.read(block, is_last=False)
        block = reader.rest + following
    yield reader.read(block, is_last=True)


def _names(header: bytes) -> list[str]:
    try:
        (names,) = csv.reader([header.removesuffix(b"\r").decode()], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UnusableFileError("unreadable_file", "the header is one line of UTF-8 text") from error
    require_each_once(names)
    return names


class _Reader:
    """Reads block after block. rest: the lines at the end of a block whose record goes on in the next."""

    def __init__(self, names: list[str], free_text: Collection[str]) -> None:
        self.names = names
        self.nothing = pa.Table.from_batches([], pa.schema([(name, pa.string()) for name in names]))
        self.rest = b""
        self._free = [place for place, name in enumerate(names) if name in free_text]
        self._records = 0

    def read(self, block: bytes, is_last: bool) -> Block:
        lines = Lines(block)
        odd = self._odd(lines)
        spans, self.rest = self._spans(lines, odd, is_last) if self._free else ({}, b"")
        inside = np.zeros(len(lines), dtype=np.bool_)
        for begin, (end, _) in spans.items():
            odd[begin], inside[begin + 1 : end] = False, True
        if self.rest:
            inside[-self.rest.count(b"\n") :] = True
        record = lines.filled & ~inside
        numbers = self._records + np.cumsum(record)
        self._records += int(np.count_nonzero(record))
        spanned = np.zeros(len(lines), dtype=np.bool_)
        spanned[list(spans)] = True
        whole = record & ~odd & ~spanned
        rows, ragged = self._parsed(block if whole.all() else lines.only(whole), int(np.count_nonzero(whole)))
        kept, places = np.ones(np.count_nonzero(whole), dtype=np.bool_), np.flatnonzero(whole)
        kept[list(ragged)] = False
        faults = {int(places[row]): wrong for row, wrong in ragged.items()}
        faults |= {line: _fault(lines.content(line)) for line in np.flatnonzero(odd & record).tolist()}
        chunk = Chunk(
            pa.concat_tables([rows, *(self._row(fields) for _, fields in spans.values())]),
            np.concatenate([numbers[places[kept]], numbers[list(spans)]]),
            tuple(Unreadable(int(numbers[k]), faults[k], lines.content(k)) for k in sorted(faults)),
        )
        record_of = np.where(record | inside, numbers, 0)[: len(lines) - self.rest.count(b"\n")]
        return Block(block[: len(block) - len(self.rest)], record_of, chunk)

    def _odd(self, lines: Lines) -> Bools:
        """(n,) the lines that are not whole records by their quotes, or are no text."""
        block = lines.block
        odd = np.zeros(len(lines), dtype=np.bool_)
        if b'"' in block or block.count(b"\r") != block.count(b"\r\n"):
            offsets = pa.py_buffer(np.append(0, lines.ends).astype(np.int64))
            texts = pa.LargeBinaryArray.from_buffers(
                pa.large_binary(), len(lines), [None, offsets, pa.py_buffer(block)]
            )
            odd = ~np.asarray(pc.match_substring_regex(texts, _WELL_FORMED))
        if not _is_text(block):
            odd |= [not _is_text(lines.content(line)) for line in range(len(lines))]
        return odd

    def _spans(
        self, lines: Lines, odd: Bools, is_last: bool
    ) -> tuple[dict[int, tuple[int, list[str]]], bytes]:
        """By their first lines, the records of several: the line after each, and its fields; and the lines at
        the end of the block that wait for the next one."""
        spans: dict[int, tuple[int, list[str]]] = {}
        done = 0
        for begin in np.flatnonzero(odd).tolist():
            if begin < done or _fault(lines.content(begin)) is not OPEN_QUOTE:
                continue
            last = min(len(lines), begin + _MOST_LINES)
            end, fields = self._record(lines, begin, last)
            if end is None and last == len(lines) and not is_last:
                return spans, lines.block[lines.begins[begin] :]
            if end is not None and fields is not None:
                spans[begin], done = (end, fields), end
        return spans, b""

    def _record(self, lines: Lines, begin: int, last: int) -> tuple[int | None, list[str] | None]:
        """The line after the record that begins with this one, None if its quotes do not close before `last`;
        and its fields, None if they do not fit the columns or another one than free text has a line break."""
        quotes = 0
        for line in range(begin, last):
            quotes += lines.content(line).count(b'"')
            if quotes % 2:
                continue
            text = lines.block[lines.begins[begin] : lines.ends[line]]
            try:
                (fields,) = csv.reader(io.StringIO(text.decode(), newline=""), strict=True)
            except UnicodeDecodeError:
                return line + 1, None
            except (csv.Error, ValueError) as error:
                if "unexpected end" in str(error):
                    continue
                return line + 1, None
            broken = {place for place, field in enumerate(fields) if "\n" in field}
            fits = len(fields) == len(self.names) and broken <= set(self._free)
            return line + 1, fields if fits else None
        return None, None

    def _parsed(self, block: bytes, records: int) -> tuple[pa.Table, dict[int, Wrong]]:
        """The rows of lines that are whole records, and what is wrong with the others, by their places."""
        if not records:
            return self.nothing, {}
        ragged: dict[int, Wrong] = {}

        def skip(row: pyarrow.csv.InvalidRow) -> str:
            ragged[row.number - 1] = _ragged(row.expected_columns, row.actual_columns)
            return "skip"

        rows = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # with threads rows have no numbers
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=self.names, block_size=len(block) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=skip),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        if rows.num_rows + len(ragged) != records:
            raise UnusableFileError(
                "unreadable_file", f"{records} lines are as many records, not {rows.num_rows + len(ragged)}"
            )
        return rows, ragged

    def _row(self, fields: list[str]) -> pa.Table:
        return pa.Table.from_arrays([pa.array([field or None], pa.string()) for field in fields], self.names)


def _ragged(expected: int, actual: int) -> Wrong:
    return Wrong(
        "unreadable_row",
        f"the line has {actual} columns, not {expected}",
        f"a row has {expected} columns, not {actual}",
    )


def _is_text(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault(line: bytes) -> Wrong:
    """What is wrong with a line that is not well-formed."""
    try:
        list(csv.reader([line.decode()], strict=True))
    except UnicodeDecodeError:
        return NOT_UTF_8
    except csv.Error as error:
        if "expected after" in str(error):
            return BEHIND_QUOTE
        if "unexpected end" in str(error):
            return OPEN_QUOTE
    return LONE_RETURN if b"\r" in line else OPEN_QUOTE

"""Which files hold records, in which format, and their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Ints
from nightslate.records import chunks
from nightslate.records.chunks import UnusableFileError

Format = Literal["parquet", "csv", "json"]

FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}

_DELIMITERS = ";\t|"
_MOST_LINE_BYTES = 1 << 28
_BOM = b"\xef\xbb\xbf"
_NOT_UTF_8 = (b"\xff\xfe", b"\xfe\xff")
_BREAK, _RETURN = b"\n\r"

NOT_ANY_LINE = (_BOM, *_NOT_UTF_8)
"""What means something else where a file begins with it."""


def format_of(path: Path) -> tuple[Format, str | None]:
    """The format of a file's records, and its compression. Raises UnusableFileError for another suffix."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    found = FORMATS.get(suffixes[-1]) if suffixes else None
    if found is None or (found == "parquet" and compression):
        raise UnusableFileError(
            "unreadable_file",
            f"{''.join(path.suffixes[-2:]) or 'no suffix'} is not one of {', '.join(FORMATS)}, of which text "
            f"may be compressed ({', '.join(COMPRESSIONS)})",
        )
    return found, compression


def data_files(folder: Path) -> list[Path]:
    """The data files of a folder, by name: what starts with _ or . is none, such as _SUCCESS. A folder within
    it that is not empty is among them, for nobody reads what it holds, and so is a link to nowhere."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.name[0] not in "_." and not (path.is_dir() and not any(path.iterdir()))
    )


def other_delimiter(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """What seems to separate columns in place of commas, if the one name that there is holds all these."""
    if len(names) == 1 and all(name in names[0] for name in wanted):
        return next((delimiter for delimiter in _DELIMITERS if delimiter in names[0]), None)
    return None


def blocks(path: Path, compression: str | None) -> Iterator[bytes]:
    """The text of a file in blocks that end where a line does. Raises UnusableFileError for text that is
    surely no UTF-8, and for a line without end."""
    rest = b""
    with pa.input_stream(str(path), compression=compression) as stream:
        block = stream.read(chunks.CHUNK_BYTES)
        if block.startswith(_NOT_UTF_8):
            raise UnusableFileError("unreadable_file", "text is UTF-8, not UTF-16")
        block = block.removeprefix(_BOM)
        while block:
            ended, newline, rest_of_block = block.rpartition(b"\n")
            if newline:
                yield rest + ended + newline
                rest = rest_of_block
            else:
                rest += block
            if len(rest) > _MOST_LINE_BYTES:
                raise UnusableFileError("unreadable_file", f"a line has at most {_MOST_LINE_BYTES:,} bytes")
            block = stream.read(chunks.CHUNK_BYTES)
    if rest:
        yield rest


class Lines:
    """The lines of a block of text. begins, ends: (n,) where each begins, and where the next one does;
    filled: (n,) whether it holds anything. Only a line feed, after a carriage return or not, ends a line."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.bytes = np.frombuffer(block, dtype=np.uint8)
        self.ends: Ints = np.flatnonzero(self.bytes == _BREAK) + 1
        if self.bytes.size and (not self.ends.size or self.ends[-1] < self.bytes.size):
            self.ends = np.append(self.ends, self.bytes.size)
        self.begins: Ints = np.append(0, self.ends[:-1])[: self.ends.size]
        first, lengths = self.bytes[self.begins], self.ends - self.begins
        returned = (lengths == 2) & (first == _RETURN) & (self.bytes[self.ends - 1] == _BREAK)
        self.filled: Bools = ~(returned | ((lengths == 1) & ((first == _BREAK) | (first == _RETURN))))

    def __len__(self) -> int:
        return self.ends.size

    def content(self, line: int) -> bytes:
        """A line without its end."""
        found = self.block[self.begins[line] : self.ends[line]]
        return found.removesuffix(b"\n").removesuffix(b"\r")

    def only(self, chosen: Bools) -> bytes:
        """The text of some lines."""
        return self.bytes[np.repeat(chosen, self.ends - self.begins)].tobytes()

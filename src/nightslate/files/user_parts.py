"""Rows of many users in parts of few, on disk: a part fits into memory where the whole need not."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Int16s, Ints

_BUFFER = 1 << 16


@dataclass(frozen=True)
class Hand:
    """Rows by part; those of part p are from ends[p] up to ends[p + 1]."""

    rows: pa.RecordBatch
    ends: Ints

    @classmethod
    def of(cls, rows: pa.RecordBatch, part: Int16s, parts: int) -> Self:
        """Rows (n,) and the part (n,) of each; one whose part is negative is left out."""
        order = np.argsort(part, kind="stable")  # of so short numbers a radix sort
        ends = np.searchsorted(part[order], np.arange(parts + 1, dtype=np.int16))
        return cls(rows.take(pa.array(order[ends[0] :])), ends - ends[0])


class Parts:
    """Rows that are dealt out to parts, each a file of a folder. As a context it has these files open to be
    written; they are read afterwards."""

    def __init__(self, folder: Path, count: int, schema: pa.Schema) -> None:
        self._paths = [folder / f"{part}.arrow" for part in range(count)]
        self._schema = schema

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # buffered, for a part is written in many short batches of several columns
            sinks = [
                stack.enter_context(pa.output_stream(str(path), buffer_size=_BUFFER)) for path in self._paths
            ]
            self._writers = [stack.enter_context(pa.ipc.new_stream(sink, self._schema)) for sink in sinks]
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, hand: Hand) -> None:
        """Append rows to their parts."""
        for writer, begin, end in zip(self._writers, hand.ends[:-1], hand.ends[1:], strict=True):
            if end > begin:
                writer.write_batch(hand.rows.slice(begin, end - begin))

    def read(self, part: int) -> pa.Table:
        """The rows of a part, in the order in which they were added."""
        with pa.memory_map(str(self._paths[part])) as source, pa.ipc.open_stream(source) as reader:
            return reader.read_all()

"""Rows of many users in parts of few, on disk: a part fits into memory where the whole need not."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints


class Parts:
    """Rows that are dealt out to parts, each a file of a folder. As a context it has these files open to be
    written; they are read afterwards."""

    def __init__(self, folder: Path, count: int, schema: pa.Schema) -> None:
        self._paths = [folder / f"{part}.arrow" for part in range(count)]
        self._schema = schema

    def __enter__(self) -> Self:
        self._writers = [pa.ipc.new_stream(str(path), self._schema) for path in self._paths]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close()

    def add(self, rows: pa.RecordBatch, part: Ints) -> None:
        """Rows (n,) and the part (n,) of each; one whose part is negative is left out."""
        order = np.argsort(part.astype(np.int16), kind="stable")  # of so short numbers a radix sort
        ordered = rows.take(pa.array(order[np.count_nonzero(part < 0) :]))
        ends = np.cumsum(np.bincount(part[part >= 0], minlength=len(self._paths)))
        for writer, begin, end in zip(self._writers, np.append(0, ends), ends, strict=False):
            if end > begin:
                writer.write_batch(ordered.slice(begin, end - begin))

    def read(self, part: int) -> pa.Table:
        """The rows of a part, in the order in which they were added."""
        with pa.memory_map(str(self._paths[part])) as source, pa.ipc.open_stream(source) as reader:
            return reader.read_all()

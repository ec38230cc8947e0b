"""What a step asks of whoever runs its kernels."""

from __future__ import annotations

import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Protocol, Self, TypeVar

import pyarrow as pa

from nightslate.core import npz
from nightslate.core.arrays import AnyArray
from nightslate.engines.exchange import Exchanged, Part, spilled
from nightslate.engines.work import Share, Shares, Tables, Unit, Work
from nightslate.tables import Attempt, Staged
from nightslate.tables.staging import StagedFile

Item = TypeVar("Item")
Task = Callable[[Item], pa.Table]


class Mergeable(Protocol):
    """A state of rows that can be merged with that of other rows, and travels as arrays."""

    def merge(self, other: Self) -> Self:
        """The state of the rows of both."""

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""


Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State", bound=Mergeable)

_EXCHANGE = ".exchange-"
_ABANDONED_SECONDS = 86_400

_STATES = pa.schema([("place", pa.int32()), ("state", pa.binary())])
_FILES = pa.schema(
    [("table", pa.string()), ("path", pa.string()), ("size", pa.int64()), ("rows", pa.int64())]
)


class Engine(ABC):
    """Runs tasks somewhere else, many at a time. All that is done beyond that is the same on each engine."""

    @abstractmethod
    def run(self, task: Task[Item], items: Sequence[Item], rows: int) -> Iterator[pa.Table]:
        """What the task makes of each item, in their order. rows: about how many it goes over in all, by
        which an engine judges what it is worth to start others for them."""

    def map(self, kernel: Callable[[Tables], pa.Table], work: Work) -> pa.Table:
        """What the kernel makes of each unit, one after another: for what fits into memory."""
        return pa.concat_tables(self.run(partial(_mapped, kernel), work.units, work.rows))

    def fold(
        self,
        initial: Mapping[Key, State],
        update: Callable[[Tables], Iterable[tuple[Key, State]]],
        work: Shares,
    ) -> dict[Key, State]:
        """`initial` and the states that `update` makes of each unit, by key. They are merged in the order of
        units, so that sums of floats are equal from run to run."""
        keys, states = list(initial), dict(initial)
        for packed in self.run(partial(_folded, update, keys), work.units, work.rows):
            for row in packed.to_pylist():
                key = keys[row["place"]]
                found = type(states[key]).from_arrays(npz.unpack(row["state"]))
                states[key] = states[key].merge(found)
        return states

    def write(
        self, kernel: Callable[[Tables], Mapping[str, pa.Table]], work: Work, attempts: Mapping[str, Attempt]
    ) -> dict[str, Staged]:
        """Stages what the kernel makes of each unit, for each of the tables."""
        units = [(unit.bucket, unit.part, unit) for unit in work.units]
        return self.write_parts(partial(_of_unit, kernel), units, work.rows, attempts)

    def write_parts(
        self,
        kernel: Callable[[Item], Mapping[str, pa.Table]],
        items: Sequence[tuple[int, int, Item]],
        rows: int,
        attempts: Mapping[str, Attempt],
    ) -> dict[str, Staged]:
        """Stages what the kernel makes of each item, (bucket, part of it, item), for each of the tables."""
        written: dict[str, list[StagedFile]] = {name: [] for name in attempts}
        for files in self.run(partial(_written, kernel, attempts), items, rows):
            for file in files.to_pylist():
                written[file.pop("table")].append(StagedFile(**file))
        return {name: attempt.seal(written[name]) for name, attempt in attempts.items()}

    @contextmanager
    def exchange(
        self,
        split: Callable[[Item], Iterator[tuple[Part, pa.Table]]],
        items: Sequence[Item],
        rows: int,
        folder: Path,
    ) -> Iterator[Exchanged]:
        """What each item's rows are split into, by part, for the tasks that follow. It lies below `folder`,
        which all tasks reach, until the context ends."""
        _clear_abandoned(folder)
        scratch = folder / f"{_EXCHANGE}{uuid.uuid4().hex}"
        scratch.mkdir(parents=True)
        try:
            yield Exchanged.of(self.run(partial(spilled, split, scratch), items, rows))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _clear_abandoned(folder: Path) -> None:
    """Removes what processes left that were killed before they could: no step takes so long."""
    for left in folder.glob(f"{_EXCHANGE}*"):
        with suppress(FileNotFoundError):  # another process clears up, too
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _mapped(kernel: Callable[[Tables], pa.Table], unit: Unit) -> pa.Table:
    return kernel(unit.read())


def _folded(
    update: Callable[[Tables], Iterable[tuple[Key, State]]], keys: Sequence[Key], unit: Share
) -> pa.Table:
    states = [(keys.index(key), npz.pack(state.arrays())) for key, state in update(unit.read())]
    return pa.Table.from_arrays(list(map(pa.array, zip(*states, strict=True))) or [[], []], schema=_STATES)


def _of_unit(kernel: Callable[[Tables], Mapping[str, pa.Table]], unit: Unit) -> Mapping[str, pa.Table]:
    return kernel(unit.read())


def _written(
    kernel: Callable[[Item], Mapping[str, pa.Table]],
    attempts: Mapping[str, Attempt],
    item: tuple[int, int, Item],
) -> pa.Table:
    bucket, part, of_part = item
    files = {name: attempts[name].write(rows, bucket, part) for name, rows in kernel(of_part).items()}
    rows = [{"table": name, **asdict(file)} for name, file in files.items() if file]
    return pa.Table.from_pylist(rows, _FILES)

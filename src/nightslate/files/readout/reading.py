"""The sums of an experiment's file. Parquet need not fit into memory where each user has one row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import found_column, ids, require, texts
from nightslate.files.hashes import text_keys
from nightslate.files.large import LargeFile
from nightslate.files.progress import Progress
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.sums import ReadoutSums
from nightslate.files.readout.users import Users, by_user, good_rows
from nightslate.files.rejected_rows import Refused
from nightslate.records.days import days as read_days

_MOST_NAMES = 1000


@dataclass(frozen=True)
class Names:
    """What there is of each kind in a file, before its sums are made. repeated: whether users have several
    rows."""

    variants: tuple[str, ...]
    segments: tuple[str, ...]
    first_day: int
    days: int
    repeated: bool

    @classmethod
    def of(cls, file: LargeFile, options: ReadoutOptions, progress: Progress) -> Self:
        """Of all rows, good or bad. Raises ContractError unless there are the control and another variant."""
        variants, segments, keys, days = set[str](options.shares or ()), set[str](), [], list[int]()
        done, looked_at = 0, [*options.ids, *filter(None, [options.date])]
        for rows in file.parts(looked_at):
            bad = BadRows(rows)
            keys.append(text_keys(texts(rows, options.user, bad)))
            variants |= set(ids(rows, options.variant, bad).names)
            if options.segment:
                segments |= set(ids(rows, options.segment, bad).names)
            if options.date:
                bounds = pc.min_max(found_column(rows, options.date, bad, read_days).cast(pa.int32()))
                days += [day.as_py() for day in bounds.values() if day.is_valid]
            _require_few(options, variants, segments)
            done += rows.count
            progress("users", done, file.count)
        found = tuple(sorted(variants - {""}))
        _require_control(found, options)
        every = np.sort(np.concatenate(keys))
        return cls(
            found,
            tuple(sorted(segments - {""})) or ("",),
            min(days, default=0),
            max(days, default=0) - min(days, default=0) + 1,
            bool((every[1:] == every[:-1]).any()),
        )


@dataclass(frozen=True)
class ReadFile:
    """names and sums; of_several, moved, of_segments: users that are not of one variant or segment, see
    `users.Users`; rows: good ones; rejected: how many rows are bad, by reason; notes: what there is to say of
    the rows."""

    names: Names
    sums: ReadoutSums
    of_several: int
    moved: int
    rows: int
    notes: tuple[str, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)


def read_file(path: Path, options: ReadoutOptions, quarantine: Path | None, progress: Progress) -> ReadFile:
    """Raises ContractError for a file or columns that can't be used, if no row is good, or without the
    control and another variant; BadRowsError for bad rows if there is no quarantine."""
    file = LargeFile.of(path, options.ids)
    require(file.names, options.columns, str(path))
    names = Names.of(file, options, progress)
    sums = ReadoutSums.initial(
        options.metrics, names.days, len(names.segments), len(names.variants), options.probability is not None
    )
    read = ReadFile(names, sums, 0, 0, 0)
    with Refused(quarantine, (path,)) as refused:
        for users in _users(_parts(file, options, names, refused, progress), names, options):
            read = replace(
                read,
                sums=read.sums.update(users.rows, options.metrics, names.first_day),
                of_several=users.of_several,
                moved=users.moved,
                rows=read.rows + users.of_rows,
                notes=users.notes(options.segment),
            )
        refused.settle()
    refused.require_some_left(path, read.rows)
    return replace(
        read,
        notes=(*refused.summary, *file.pointed_notes, *read.notes),
        rejected=refused.counts.get(str(path), {}),
    )


def _parts(
    file: LargeFile, options: ReadoutOptions, names: Names, refused: Refused, progress: Progress
) -> Iterator[pa.Table]:
    """The good rows, some at a time; bad ones are refused."""
    variants, segments = (pa.array(each, pa.string()) for each in (names.variants, names.segments))
    done = 0
    for rows in file.parts(options.columns):
        bad = BadRows(rows)
        good = good_rows(rows, options, variants, segments, bad)
        refused.add(file.path, bad.all(), file.count)
        done += rows.count
        progress("sums", done, file.count)
        yield good


def _users(parts: Iterator[pa.Table], names: Names, options: ReadoutOptions) -> Iterator[Users]:
    """Whoever has several rows may have them in any part."""
    if names.repeated:
        yield by_user(pa.concat_tables(parts), dated=options.date is not None)
    else:
        yield from map(Users, parts)


def _require_few(options: ReadoutOptions, variants: set[str], segments: set[str]) -> None:
    for option, column, names in (
        ("--variant", options.variant, variants),
        ("--segment", options.segment, segments),
    ):
        if len(names) > _MOST_NAMES:
            raise ContractError(
                f"{column} has more than {_MOST_NAMES:,} different values: is it the column of {option}?"
            )


def _require_control(variants: tuple[str, ...], options: ReadoutOptions) -> None:
    there = ", ".join(variants)
    if options.control not in variants:
        raise ContractError(
            f"the control {options.control!r} is no variant: {options.variant} has {there or 'no value'}"
        )
    if len(variants) == 1:
        raise ContractError(f"{options.variant} has {there} alone: there is no variant to compare it with")
    missing = set(variants) - set(options.shares or variants)
    if missing:
        raise ContractError(
            f"--shares says nothing of {', '.join(sorted(missing))}, which {options.variant} has: name each"
            " variant, and no others"
        )

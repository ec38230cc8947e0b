"""Features of the users and moments of a file, from a file of activity."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.ordering import places_in
from nightslate.errors import MachineError
from nightslate.files.features.activity import Activity
from nightslate.files.features.moments import AskedOf
from nightslate.files.progress import Progress
from nightslate.files.rejected_rows import Refused
from nightslate.files.threads import in_order
from nightslate.files.user_parts import Hand, Parts
from nightslate.files.users import Users
from nightslate.files.writing import require_writable, write
from nightslate.kernels.features import AT, USER, features_as_of
from nightslate.programs.days import microseconds
from nightslate.programs.features import Aggregate
from nightslate.programs.features_file import FeaturesFile
from nightslate.records.overlap import examples, hardly_any


@dataclass(frozen=True)
class Summary:
    """What became of the files. rows: what was written; activity, moments: how many rows they have; events:
    how many of the activity can matter; users: how many were asked of, and active: how many of these have
    such events; refused: bad rows by file and reason; notes: what a person should know besides."""

    rows: pa.Table
    features: tuple[Aggregate, ...]
    activity: int
    moments: int
    events: int
    users: int
    active: int
    refused: dict[str, dict[str, int]]
    notes: tuple[str, ...]


def features(
    activity: Path,
    spec: FeaturesFile,
    as_of: Path,
    out: Path,
    *,
    progress: Progress,
    quarantine: Path | None = None,
) -> Summary:
    """Write the rows of `as_of`, in their order, with a column for each feature, to `out`. They fit into
    memory; activity of Parquet need not. While it works, what matters of it lies in a hidden folder beside
    `out`.

    Raises ContractError for files or columns that can't be used, BadRowsError for bad rows if there is no
    quarantine, MachineError where the disk does not take what is written."""
    for source in (activity, as_of):
        require_writable(out, source)
    with Refused(quarantine, (activity, as_of)) as refused:
        asked = AskedOf.of(as_of, spec, refused)
        read = Activity.of(activity, spec)
        users = Users.of(asked.users, read.file.count + asked.count)
        try:
            with tempfile.TemporaryDirectory(prefix=".nightslate-", dir=out.parent) as folder:
                dealt = _dealt(read, users, asked, Path(folder) / "activity", refused, progress)
                refused.settle()
                rows = _with_features(asked, users, dealt.parts, spec, progress)
        except OSError as error:
            raise MachineError(f"cannot write beside {out}: {error}") from error
        write(rows, out)
        strangers = [] if not hardly_any(dealt.active, len(users.ids.texts)) else [_strangers(dealt, users)]
        return Summary(
            rows=rows,
            features=spec.each,
            activity=read.file.count,
            moments=asked.count,
            events=dealt.events,
            users=len(users.ids.texts),
            active=dealt.active,
            refused=refused.counts,
            notes=(*refused.summary, *read.notes, *asked.notes, *strangers),
        )


@dataclass(frozen=True)
class _Dealt:
    """What can matter of the activity in parts of its users; how many events that are, of how many of the
    users that are asked of; and what a few users of the activity are called."""

    parts: Parts
    events: int
    active: int
    examples: list[str]


def _dealt(
    read: Activity, users: Users, asked: AskedOf, folder: Path, refused: Refused, progress: Progress
) -> _Dealt:
    windows = [each.window for each in read.spec.each]
    longest = max((microseconds(window) for window in windows if window), default=0)
    last = int(asked.at.max())
    first = None if None in windows else int(asked.at.min()) - longest

    def by_part(found: tuple[int, pa.Table]) -> tuple[int, list[Hand], list[str]]:
        count, events = found
        at = events[AT].cast(pa.int64())
        in_time = pc.less(at, last)
        if first is not None:
            in_time = pc.and_(in_time, pc.greater_equal(at, first))
        batches = events.filter(in_time).combine_chunks().to_batches()
        hands = [users.hand(batch, users.ids.find(batch[USER])) for batch in batches]
        return count, hands, examples(events[USER][:1000].to_pylist())

    done, kept, like = 0, 0, list[str]()
    active = np.zeros(len(users.ids.texts), dtype=np.bool_)
    with users.files(folder, read.schema) as parts:
        for count, hands, called in in_order(by_part, read.events(refused)):
            for hand in hands:
                parts.add(hand)
                kept += hand.rows.num_rows
                active[np.asarray(hand.rows[USER])] = True
            done, like = done + count, like or called
            progress("activity read", done, read.file.count)
    return _Dealt(parts, kept, int(np.count_nonzero(active)), like)


def _strangers(dealt: _Dealt, users: Users) -> str:
    asked, like = (
        ", ".join(f'"{name}"' for name in names) or "nothing"
        for names in (examples(users.ids.texts[:1000].to_pylist()), dealt.examples)
    )
    return (
        f"WARNING: only {dealt.active:,} of {len(users.ids.texts):,} users have activity that features are"
        f" of; a user_id is like {asked} in --as-of and like {like} in --activity: do both files write it in"
        " one form?"
    )


def _with_features(
    asked: AskedOf, users: Users, parts: Parts, spec: FeaturesFile, progress: Progress
) -> pa.Table:
    """The rows that were asked of, with their features."""
    part = users.part[asked.user]
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(users.parts + 1))

    def of_part(number: int) -> pa.Table:
        mine = order[ends[number] : ends[number + 1]]
        return features_as_of(
            parts.read(number), spec.each, asked.user[mine], asked.at[mine], asked.known[mine]
        )

    found: list[pa.Table] = []
    for of_users in in_order(of_part, range(users.parts)):
        found.append(of_users)
        progress("parts computed", len(found), users.parts)
    computed = pa.concat_tables(found).take(pa.array(places_in(order)))
    columns = zip(asked.rows.column_names, asked.rows.columns, strict=True)
    return pa.table({**dict(columns), **dict(zip(computed.column_names, computed.columns, strict=True))})

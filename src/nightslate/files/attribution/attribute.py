"""Attribution of a file of outcomes to a file of impressions, users in parts that fit into memory."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import MachineError
from nightslate.files.attribution.histories import Impressions, read_outcomes
from nightslate.files.attribution.summary import Tally
from nightslate.files.attribution.user_impressions import Dealt, deal_outcomes
from nightslate.files.growing_file import Pieces
from nightslate.files.progress import Progress
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Files, pointed_notes
from nightslate.files.threads import in_order
from nightslate.files.user_parts import Parts
from nightslate.files.users import Users
from nightslate.files.writing import require_writable
from nightslate.kernels.attribution import CREDITS, UNATTRIBUTED, Attributor
from nightslate.records.overlap import Overlap

_NEEDED = {"impression": ("impression_id",), "user_arm": ("arm_id",)}
_EARLY = "it names an impression that is later, by more than --skew"


@dataclass(frozen=True)
class Summary:
    """What became of two files. impressions, outcomes: how many rows; near: impressions of users with an
    outcome; copies: exact copies, which count once, by file; refused: bad rows by file and reason; notes: the
    same in words."""

    attributor: Attributor
    impressions: int
    near: int
    outcomes: int
    copies: dict[str, int]
    refused: dict[str, dict[str, int]]
    notes: tuple[str, ...]
    tally: Tally


def attribute(
    impressions: Path,
    outcomes: Path,
    attributor: Attributor,
    out: Path,
    *,
    progress: Progress,
    quarantine: Path | None = None,
    unattributed: Path | None = None,
) -> Summary:
    """Write the credits of the outcomes to `out`, and outcomes without credit to `unattributed`.

    Rows come in parts of the users, in a part by (occurred_at, outcome_id), and the credits of an outcome in
    the order of its impressions. The same rows, in any order, give the same file. While it works, impressions
    of users with outcomes lie in a hidden folder beside `out`.

    Raises ContractError for files or columns that cannot be used, BadRowsError for bad rows if there is no
    quarantine, MachineError where the disk does not take what is written. Results are whole or not there."""
    for target in filter(None, (out, unattributed)):
        for source in (impressions, outcomes):
            require_writable(target, source)
    with Refused(quarantine, (impressions, outcomes)) as refused:
        shown = Impressions.of(impressions)
        try:
            with tempfile.TemporaryDirectory(prefix=".nightslate-", dir=out.parent) as folder:
                beside = Path(folder)
                done = _Outcomes.of(outcomes, attributor, shown.file.count, beside / "outcomes", refused)
                dealt = Dealt.of(shown, done.users, beside / "impressions", refused, progress)
                refused.settle()
                tally, overlap, copied = _write(attributor, dealt, done, out, unattributed, refused, progress)
        except OSError as error:
            raise MachineError(f"cannot write {out} or beside it: {error}") from error
        strangers = overlap.strangers(done.keys, shown.examples)
        return Summary(
            attributor=attributor,
            impressions=shown.file.count,
            near=dealt.rows,
            outcomes=done.rows,
            copies={str(impressions): copied, str(outcomes): done.copies},
            refused=refused.counts,
            notes=(
                *refused.summary,
                *shown.file.pointed_notes,
                *done.notes,
                *([f"WARNING: {strangers}"] if strangers else ()),
            ),
            tally=tally,
        )


@dataclass(frozen=True)
class _Outcomes:
    """Outcomes in parts of their users, and how many rows and copies their file has; keys: examples of what
    they have in common with impressions, by column."""

    path: Path
    files: Files
    users: Users
    parts: Parts
    rows: int
    copies: int
    keys: dict[str, list[str]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, attributor: Attributor, impressions: int, folder: Path, refused: Refused) -> Self:
        """impressions: how many there are to go with them."""
        found = read_outcomes(path, _NEEDED.get(attributor.match, ()), refused)
        users, parts = deal_outcomes(found.good, impressions + found.rows, folder)
        return cls(
            path,
            found.files,
            users,
            parts,
            found.rows,
            found.copies,
            found.examples(),
            tuple(pointed_notes(path, found.pointed)),
        )


@dataclass(frozen=True)
class _Part:
    """What became of the outcomes of a part. early: those that name a later impression; copies: exact ones
    among the impressions."""

    credits: list[pa.Table]
    unattributed: pa.Table
    early: pa.Table
    copies: int
    tally: Tally
    overlap: Overlap


def _write(
    attributor: Attributor,
    dealt: Dealt,
    done: _Outcomes,
    out: Path,
    unattributed: Path | None,
    refused: Refused,
    progress: Progress,
) -> tuple[Tally, Overlap, int]:
    """Part by part. Returns what it comes to, how far the two files know each other, and how many impressions
    were exact copies."""
    tally, overlap, copied = Tally(), Overlap(), 0
    with ExitStack() as stack:
        credited = stack.enter_context(Pieces(out, CREDITS))
        rest = stack.enter_context(Pieces(unattributed, UNATTRIBUTED)) if unattributed else None
        parts = in_order(lambda part: _attribute(attributor, dealt, done, part), range(done.users.parts))
        for number, part in enumerate(parts, start=1):
            for table in part.credits:
                credited.write(table)
            if rest:
                rest.write(part.unattributed)
            tally.merge(part.tally)
            overlap += part.overlap
            copied += part.copies
            refused.add(done.path, done.users.bad(part.early, done.files, _EARLY, "impression_id"))
            progress("parts attributed", number, done.users.parts)
        refused.settle()
    return tally, overlap, copied


def _attribute(attributor: Attributor, dealt: Dealt, done: _Outcomes, part: int) -> _Part:
    impressions, copied = dealt.read(part)
    outcomes = done.parts.read(part).sort_by([("occurred_at", "ascending"), ("outcome_id", "ascending")])
    found = attributor.attribute(impressions, outcomes)
    rest, tables, tally = found.unattributed, [], Tally()
    tally.add_outcomes(outcomes["kind"], rest)
    for table, arms in found.credits_and_arms():
        tally.add_credits(table, arms)
        tables.append(table)
    early = rest.filter(pc.equal(rest["reason"], "before_impression"))["outcome_id"].combine_chunks()
    named_later = outcomes.filter(pc.is_in(outcomes["outcome_id"], value_set=early))
    return _Part(tables, rest, named_later, copied, tally, Overlap.of(impressions, outcomes))

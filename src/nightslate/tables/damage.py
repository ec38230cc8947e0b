"""Damage of a table is one error: which table, which day and file, and what brings it back.

Delta-rs reads some damage as if nothing were wrong: a commit that is an empty file or was cut between two
lines, a log whose beginning is gone, a folder of files whose log is gone. `check_log` finds it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from deltalake.exceptions import CommitFailedError, DeltaError

from nightslate.errors import DamageError, tells_of_full_disk

NOTES = "nightslate"
"""Under this name every commit carries what nightslate has to say about it."""

_LOG = "_delta_log"
_COMMIT = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\.")
_DAY = re.compile(r"[a-z_]+=\d{4}-\d{2}-\d{2}")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def notes_of(commit_info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What nightslate has to say about a commit, by issue where it was of several."""
    notes = commit_info.get(NOTES, [])
    return notes if isinstance(notes, list) else [notes]


def of_file(path: Path, what: str) -> DamageError:
    """Of a data file, `.../PROGRAM/TABLE/PARTITION=DAY/FILE`, maybe with an issue's folder in between."""
    of_table = next((parent.parent for parent in path.parents if _DAY.fullmatch(parent.name)), None)
    if of_table is None:  # it is staged
        return DamageError(f"{path} {what}. Run the step that stages it again")
    program, table = of_table.parts[-2:]
    folder = path.relative_to(of_table).parts[0]
    day = folder.partition("=")[2]
    return DamageError(
        f"{program}/{table} of {day}: {path} {what}. Restore it from a backup, or run the night again:"
        f" `nightslate run --program {program} --ds {_night(folder)}`"
    )


def of_table(path: Path, what: str) -> DamageError:
    """Of a table's log or folder, `.../PROGRAM/TABLE`."""
    program, table = path.parts[-2:]
    nights = sorted(_night(folder.name) for folder in path.glob("*=*")) or ["DS"]
    return DamageError(
        f"{program}/{table}: {what}. Restore it from a backup, or move {path} away and run its nights again:"
        f" `nightslate backfill --program {program} --from {nights[0]} --to {nights[-1]}`"
    )


def _night(folder: str) -> str:
    """The night that writes a partition's folder: slates are for the day after."""
    partition, _, day = folder.partition("=")
    return str(date.fromisoformat(day) - timedelta(days=partition == "slate_date"))


class LogFile(NamedTuple):
    """A file of a table's log, as a process that has read it knows it again."""

    name: str
    inode: int
    size: int
    modified: int


def check_log(path: Path) -> list[LogFile]:
    """The files of the log that whoever opens the table in a folder reads: from the last checkpoint on; none
    where there is no table. Raises DamageError where there is one and its log is not whole."""
    if not path.exists():
        return []
    if not path.is_dir():
        raise of_table(path, f"{path} is no folder")
    log = path / _LOG
    files = _files(log)
    commits = sorted(name for name in files if _COMMIT.fullmatch(name))
    checkpoints = sorted(name for name in files if _CHECKPOINT.match(name))
    if not commits and not checkpoints:
        if any(path.iterdir()):
            raise of_table(path, f"{log} is gone, and files are left")
        return []
    kept = int(checkpoints[-1].partition(".")[0]) if checkpoints else -1
    following = [
        f"{version:020d}.json" for version in range(kept + 1, int(commits[-1][:20]) + 1 if commits else 0)
    ]
    for name in following:
        if name not in files or not files[name].st_size:
            raise of_table(path, f"{log / name} is {'empty' if name in files else 'missing'}")
    if commits and not is_whole(log / commits[-1]):
        raise of_table(path, f"{log / commits[-1]} is cut short or overwritten")
    of_checkpoint = [name for name in checkpoints if int(name.partition(".")[0]) == kept]
    return [
        LogFile(name, files[name].st_ino, files[name].st_size, files[name].st_mtime_ns)
        for name in [*of_checkpoint, *following]
    ]


def is_whole(commit: Path) -> bool:
    """Whether a commit's file is what was written: nightslate's own end with their transaction."""
    try:
        actions = [json.loads(line) for line in commit.read_bytes().splitlines()]
        ours = any(NOTES in action.get("commitInfo", {}) for action in actions)
    except (ValueError, AttributeError):
        return False
    return bool(actions) and (not ours or any("txn" in action for action in actions))


def cut_commits(path: Path) -> list[Path]:
    """The commits of a table's log that are not whole."""
    return [commit for commit in sorted((path / _LOG).glob("*.json")) if not is_whole(commit)]


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Raises what delta-rs meets in a table's folder as DamageError. Lost races and full disks stay what they
    are."""
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError) as error:
        if tells_of_full_disk(error):
            raise
        if re.search(r"\(os error (1|13|30)\)", str(error)):
            raise DamageError(
                f"{'/'.join(path.parts[-2:])}: {_told(error)}. Let this user write {path}"
            ) from error
        cut = cut_commits(path) if path.is_dir() else []
        raise of_table(path, f"{cut[0]} is cut short or overwritten" if cut else _told(error)) from error


def _files(folder: Path) -> dict[str, os.stat_result]:
    if not folder.is_dir():
        return {}
    files = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # what other writers draft beside the log comes and goes
                files[entry.name] = entry.stat()
    return files


def _told(error: Exception) -> str:
    """An error of delta-rs in one line: without colours, and without the stack of its own."""
    lines = (_COLOUR.sub("", line).strip(" ↳") for line in str(error).splitlines())
    return ", ".join(line for line in lines if line and not re.match(r"\d+: ", line))[:300]

"""What has been handed over, a file a send, so that nothing is handed over twice.

A send is claimed before its message is handed over: the file is made where there is none, and is on the
disk before the first byte of the message is on its way. The answer is a second line. A claim without an
answer is of a process that was killed in between, or of a server that went silent: whether the message was
sent is unknown, and it is never sent again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Answer = Literal["sent", "refused"]
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Journal:
    """The files of one day of a program, below a folder."""

    folder: Path

    def statuses(self) -> dict[str, str]:
        """Of each send that was claimed the answer, or `UNKNOWN`."""
        return {file.name: _status(file) for file in self.folder.glob("*/*")}

    def claim(self, send_id: str, facts: Mapping[str, str]) -> bool:
        """Whether the send is this process's to hand over: False where anybody has claimed it."""
        file = self._file(send_id)
        is_new = not file.parent.is_dir()
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        _write_line(opened, facts)
        for folder in (file.parent, *(file.parents[1:5] if is_new else ())):
            _sync(folder)
        return True

    def answer(self, send_id: str, status: Answer, code: int, at: str) -> None:
        """Record what the server said of a send that this process has claimed."""
        opened = os.open(self._file(send_id), os.O_WRONLY | os.O_APPEND)
        _write_line(opened, {"status": status, "code": code, "at": at})

    def release(self, send_id: str) -> None:
        """Give a claim of this process back: the server has said that it did not take the message."""
        file = self._file(send_id)
        file.unlink()
        _sync(file.parent)

    def forget(self, user: str) -> int:
        """Remove what was handed over to a user, and say how many sends it was."""
        files = [file for file in self.folder.glob("*/*") if _is_to(file, user)]
        for file in files:
            file.unlink()
        return len(files)

    def _file(self, send_id: str) -> Path:
        return self.folder / send_id[:2] / send_id


def _status(file: Path) -> str:
    lines = file.read_bytes().splitlines(keepends=True)
    if len(lines) < 2 or not lines[-1].endswith(b"\n"):
        return UNKNOWN
    return str(json.loads(lines[-1])["status"])


def _is_to(file: Path, user: str) -> bool:
    claim = file.read_bytes().partition(b"\n")[0]
    try:
        return bool(json.loads(claim).get("user_id") == user)
    except ValueError:  # cut short: the process was killed
        return user.encode() in claim


def _write_line(opened: int, content: Mapping[str, object]) -> None:
    with os.fdopen(opened, "wb") as file:
        file.write(json.dumps(content).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""What one process at a time may do on a machine."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from nightslate.errors import CommitConflictError


def locked(path: Path, held: str) -> IO[str]:
    """The file, which is this process's until it is closed, or the process ends. Raises CommitConflictError,
    which says what is `held` where another process has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise CommitConflictError(held) from error
    return file

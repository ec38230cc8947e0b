"""Files that are written as objects of a bucket are: each under one name for ever, whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

_DRAFTS = "drafts"


def put_if_absent(path: Path, content: bytes) -> bool:
    """Put an object, whole at once; False, and nothing is done, where there is one of its name.

    A bucket can do so by itself (If-None-Match); of a folder nothing but a link does it. What killed writers
    have left goes with the next object that is put; a writer whose draft goes so has not put its own."""
    drafts = path.parent / _DRAFTS
    drafts.mkdir(parents=True, exist_ok=True)
    draft = drafts / f"{path.name}.{uuid4().hex}"
    _write(draft, content)
    try:
        os.link(draft, path)
    except (FileExistsError, FileNotFoundError):
        return False
    finally:
        draft.unlink(missing_ok=True)
    for other in drafts.iterdir():
        other.unlink(missing_ok=True)
    _sync(path.parent)
    return True


def put_settled(path: Path, content: bytes) -> None:
    """Put an object whose content was settled before, whoever puts it: what a killed writer began is
    completed, and what others write at the same time stays right, for no byte that is right is changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content)
    _sync(path.parent)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

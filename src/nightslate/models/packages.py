"""What lies beside a model's own files in its version, so that others than nights can load it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """Files by name. Equal files have an equal `digest`, which tells two versions of one model apart."""

    files: Mapping[str, bytes]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the names and of the digests of what is in them."""
        listed = (f"{name} {hashlib.sha256(self.files[name]).hexdigest()}\n" for name in sorted(self.files))
        return hashlib.sha256("".join(listed).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the files into an existing folder."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    def is_in(self, folder: Path) -> bool:
        """Whether a folder has these very files."""
        places = {folder / name: content for name, content in self.files.items()}
        return all(file.is_file() and file.read_bytes() == content for file, content in places.items())

"""Pages whose commands are done as they stand there: files, commands, and what these print.

A block that opens with a language and a name is a file; ```sh is done by a shell, which knows what earlier
ones have exported; ```text is how the output of the last one ends. As a script it writes into a page what its
commands print by now: `tutorials.py PAGE`, in the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PADDING = re.compile(r" +$", re.MULTILINE)
SECONDS = re.compile(r"\d+\.\d s\b")
COLUMNS = "120"
"""Of the terminal: lines of pages are as long."""


def done(page: Path, folder: Path) -> Iterator[tuple[re.Match[str], str]]:
    """Each block of output with what the command before it has printed, in a folder like a checkout."""
    (folder / "dags").symlink_to(PROJECT / "dags")
    exported = folder / ".exported"
    exported.touch()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": COLUMNS}
    printed = ""
    for block in BLOCK.finditer(page.read_text("utf-8")):
        kind, name, text = block.groups()
        if name:
            (folder / name).write_text(text)
        elif kind == "sh":
            ran = subprocess.run(
                ["/bin/bash", "-euc", f". {exported}; trap 'export -p > {exported}' EXIT\n{text}"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{text}{ran.stdout}{ran.stderr}"
            printed = PADDING.sub("", ran.stdout)
        elif kind == "text":
            yield block, printed


def as_shown(page: Path, folder: Path) -> int:
    """How many outputs there are; each is what was printed, but for how long it took."""
    count = 0
    for block, printed in done(page, folder):
        assert SECONDS.sub("", printed).endswith(SECONDS.sub("", block[3])), printed
        count += 1
    return count


def main(page: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = page.read_text("utf-8")
        for block, printed in done(page, Path(folder)):
            text = text.replace(block[0], f"```text\n{printed}```", 1)
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

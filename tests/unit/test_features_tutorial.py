"""The tutorial of docs/features.md, done as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
BLOCK = re.compile(r"```(\w+) ?(\S*)\n(.*?)```", re.DOTALL)


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    printed, checked = "", 0
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, name, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if name:
            (tmp_path / name).write_text(text)
        elif kind == "sh":
            printed = subprocess.run(
                ["/bin/bash", "-euc", text],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        elif kind == "text":
            assert printed.endswith(text)
            checked += 1
    assert checked == 2

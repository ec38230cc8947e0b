"""Other people's libraries, each in an environment of its own under `.cache/bench`: they are measured beside
nightslate and never installed with it.

`locks/NAME.lock` lists every package of a peer's environment with its digest; it is made with

    echo 'REQUIREMENT' | uv pip compile - --python-version 3.11 --universal --generate-hashes \\
        --no-annotate -o tests/benchmarks/locks/NAME.lock
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nightslate.errors import MachineError

LOCKS = Path(__file__).with_name("locks")
ENVIRONMENTS = Path(__file__).parents[2] / ".cache" / "bench"


def peer_python(name: str) -> Path:
    """The interpreter of the environment that `locks/NAME.lock` describes, installed once and again whenever
    the lock changes. Raises MachineError where the package index does not give what is in the lock."""
    lock = LOCKS / f"{name}.lock"
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), *install, "--require-hashes", "--requirement", str(lock)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip()
                raise MachineError(f"{name} can't be installed here:\n{said}")
        complete.touch()
    return python


def ask(python: Path, script: Path, inputs: Mapping[str, Any], *arguments: str) -> Any:
    """What `script` prints as JSON, run by `python` with the path of an .npz file of `inputs`, then
    `arguments`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inputs.npz"
        np.savez(file, **inputs)
        done = subprocess.run(
            [str(python), str(script), str(file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
    if done.returncode != 0:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])

"""Messages of outcomes, what has landed of them, and runs that are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from tests.integration.pipeline import world
from typer.testing import CliRunner

from nightslate.cli import app

LOG = ("--program", world.PROGRAM, "--log", "outcomes")
FIRST = date(2024, 3, 1)
MIDNIGHT = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


def outcome(number: int, stamp: int) -> bytes:
    """The outcome of this number, at a time in milliseconds."""
    when = datetime.fromtimestamp(stamp / 1000, UTC).isoformat()
    row = {"outcome_id": f"o{number}", "user_id": f"user-{number % 7}", "occurred_at": when, "kind": "click"}
    return json.dumps({**row, "value": 1.0}).encode()


def outcomes(count: int, partitions: int = 3, days: int = 2) -> list[tuple[int, bytes, int]]:
    """Messages of so many days, oldest first, as they are produced."""
    stamps = [MIDNIGHT + number * days * 24 * HOUR // count for number in range(count)]
    return [(n % partitions, outcome(n, stamp), stamp) for n, stamp in enumerate(stamps)]


def land(home: Path, source: str, *options: str) -> str:
    """What `nightslate land` says. Raises what it raises."""
    command = ["land", "--from", source, *LOG, *impatient(home), *options]
    runner = CliRunner(env={"NIGHTSLATE_HOME": str(home)})
    found = runner.invoke(app, command, catch_exceptions=False, standalone_mode=False)
    if found.exception:
        raise found.exception
    return found.stdout


def impatient(home: Path) -> tuple[str, str]:
    """The option with which the end of a partition is known at once."""
    config = home / "kafka.properties"
    home.mkdir(parents=True, exist_ok=True)
    config.write_text("fetch.wait.max.ms=20\n")
    return "--config", str(config)


def folder(home: Path) -> Path:
    return home / "landing" / world.PROGRAM / "outcomes"


def lines(home: Path, place: str = "ds=*") -> Counter[bytes]:
    """How often each record has landed, as a reader of all files finds them; those that wait beside their
    day: of `_late/ds=*`."""
    files = [file for file in folder(home).glob(f"{place}/*") if file.name != "_SUCCESS"]
    return Counter(line for file in files for line in file.read_bytes().splitlines())


def closed(home: Path) -> list[str]:
    return sorted(marker.parent.name for marker in folder(home).glob("ds=*/_SUCCESS"))


class Runs:
    """Processes that land, each into a warehouse of its own or not, and killed or not: see `killed.py`."""

    def __init__(self, process: subprocess.Popen[str], source: str, options: tuple[str, ...]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked, self._answers = process.stdin, process.stdout
        self._arguments = ["--from", source, *LOG, *options]

    def run(self, home: Path, moment: str = "0") -> int:
        """The exit code of one; minus the signal where it was killed."""
        (code,) = self.at_once(home, moment)
        return code

    def at_once(self, home: Path, *moments: str) -> list[int]:
        """The exit codes of several."""
        runs = [(str(home), moment, self._arguments) for moment in moments]
        print(json.dumps(runs), file=self._asked, flush=True)
        return [int(code) for code in json.loads(self._answers.readline())]


@contextmanager
def forking() -> Iterator[subprocess.Popen[str]]:
    """The process that `Runs` are forked from."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()

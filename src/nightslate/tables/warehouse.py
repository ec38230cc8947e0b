"""Where things lie under $NIGHTSLATE_HOME. Every name that becomes part of a path is checked here."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from stat import S_IROTH, S_IXOTH

from nightslate.contracts import Contract
from nightslate.errors import SpecError
from nightslate.tables.table import Table

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Warehouse:
    """The folder of all programs' logs, tables and reports."""

    home: Path

    def programs(self) -> list[str]:
        """The names of the programs that have logs or tables here, sorted."""
        folders = (self.home / "landing", self.home / "tables")
        names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
        return sorted(name for name in names if _NAME.fullmatch(name))

    def landing_log(self, program: str, log: str) -> Path:
        """The folder of one log, with one folder a day."""
        return self.home / "landing" / _plain(program) / _plain(log)

    def landing(self, program: str, log: str, ds: date) -> Path:
        """The folder of one log of one day, as it came; complete once it holds _SUCCESS."""
        return self.landing_log(program, log) / f"ds={ds.isoformat()}"

    def scratch(self, program: str) -> Path:
        """Where the tasks of a step leave rows to one another. Nothing in it outlives the step."""
        return self.home / "scratch" / _plain(program)

    def report(self, program: str, ds: date, issue: str | None = None) -> Path:
        """The page of one night, of one issue of several."""
        of_issue = () if issue is None else (_plain(issue),)
        return Path(self.home / "reports" / _plain(program), *of_issue, f"{ds.isoformat()}.html")

    def dashboard(self, program: str) -> Path:
        """The page of all nights."""
        return self.home / "reports" / _plain(program) / "index.html"

    def detector(self, program: str, name: str, digest: str) -> Path:
        """The folder of a detector's model."""
        return self.home / "detectors" / _plain(program) / _plain(name) / digest

    def forgotten(self, program: str) -> Path:
        """The folder of what is kept of users who asked to be forgotten: a file each, named by their tag."""
        return self.home / "forgotten" / _plain(program)

    def table(self, program: str, contract: Contract) -> Table:
        """A program's table; nothing is created until something is written."""
        place = Path(_plain(program)) / _plain(contract.name)
        return Table(
            name=place.as_posix(),
            contract=contract,
            path=self.home / "tables" / place,
            staging=self.home / "staging" / place,
        )


def open_to_all(file: Path) -> bool:
    """Whether every account of this machine can read the file."""
    reachable = all(folder.stat().st_mode & S_IXOTH for folder in file.absolute().parents)
    return reachable and bool(file.stat().st_mode & S_IROTH)


def _plain(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot name a program, log or table: it must be a lower-case letter,"
            " then at most 62 lower-case letters, digits and _"
        )
    return name

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.integration.pipeline import world

from . import days, processes

Tell = Callable[[str], None]


@pytest.fixture(scope="session")
def told() -> Iterator[Table]:
    """What happened in every drill, printed at the end."""
    table = Table(title="drills", title_justify="left", show_lines=True)
    for column in ("drill", "what happened"):
        table.add_column(column)
    table.add_column("seconds", justify="right")
    yield table
    console = Console(width=120)
    console.print()
    console.print(table, highlight=False, markup=False)


@pytest.fixture
def tell(request: pytest.FixtureRequest, told: Table) -> Iterator[Tell]:
    """Says in one line what happened; a drill that says nothing has failed."""
    lines: list[str] = []
    began = time.monotonic()
    yield lines.append
    name = request.node.name.removeprefix("test_").replace("_", " ")
    told.add_row(name, "\n".join(lines) or "FAILED", f"{time.monotonic() - began:.0f}")


@pytest.fixture(scope="session", autouse=True)
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program, and what a night finds in its environment."""
    folder = tmp_path_factory.mktemp("dags")
    days.write_program(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(folder))
        environment.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the drills alone")
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """A warehouse after four nights that nothing happened to. Not to be changed."""
    home = tmp_path_factory.mktemp("clean")
    days.land_all(home)
    first, last = str(days.DAYS[0]), str(days.DAYS[-1])
    processes.run(home, "backfill", "--program", world.PROGRAM, "--from", first, "--to", last)
    return home


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, clean: Path) -> Path:
    """The same, but the last night was run with other outcomes than those that lie there now."""
    home = days.copied(clean, tmp_path_factory.mktemp("other") / "home")
    days.land_other_outcomes(home)
    processes.run(home, *processes.night(days.LAST))
    days.land_outcomes(home)
    return home


@pytest.fixture
def home(other: Path, tmp_path: Path) -> Path:
    """A copy of `other`: its last night is due again, and must become that of `clean`."""
    return days.copied(other, tmp_path / "home")

"""The application that commands belong to, and how a command ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from nightslate.errors import MachineError, NightslateError, tells_of_full_disk

app = typer.Typer(
    help="Nights without Airflow, what they published, and off-policy evaluation on a file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

ProgramName = Annotated[str, typer.Option("--program", "-p", help="A program of the DAGs folder.")]
Issue = Annotated[str | None, typer.Option("--issue", help="One of the program's issues; all by default.")]
Quarantine = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Put bad rows there and use the others.")
]
SummaryAsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")]
Day = Annotated[str, typer.Option("--ds", help="The UTC day of the data, YYYY-MM-DD.")]


def show(report: RenderableType) -> None:
    """Print a report: as wide as the terminal, and 120 columns wide in a file."""
    (console if console.is_terminal else Console(width=120)).print(report)


def show_notes(notes: Iterable[str]) -> None:
    """Print what a person should know besides, where it is not read as the result."""
    for note in notes:
        errors.print(note, markup=False, highlight=False, soft_wrap=True)


def exit_by_kind(work: Callable[[], None], failed: Callable[[NightslateError], None] | None = None) -> None:
    """Do `work`; an error of ours becomes one message and its exit code, any other keeps its traceback. What
    is asked to stop (SIGTERM) can still say how it ended. `failed` is called with an error of ours."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        _naming_a_full_disk(work)
    except NightslateError as error:
        errors.print(
            f"{type(error).__name__}: {error}",
            style="bold red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        if failed is not None:
            failed(error)
        sys.exit(error.exit_code)


def _naming_a_full_disk(work: Callable[[], None]) -> None:
    """Do `work`; raises MachineError where a disk was full: whoever met it says so deep in a stack trace."""
    try:
        work()
    except Exception as error:
        if not tells_of_full_disk(error):
            raise
        raise MachineError(
            "no space is left on a disk: the warehouse's, or that of temporary files. What was committed can"
            " be read as before; make room (`nightslate vacuum` removes replaced files), then run it again"
        ) from error


def main() -> None:
    """The console script."""
    exit_by_kind(app)

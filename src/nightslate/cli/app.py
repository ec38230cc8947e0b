"""The application that commands belong to, and how a command ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from nightslate.errors import NightslateError

app = typer.Typer(
    help="Nights without Airflow, what they published, and off-policy evaluation on a file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

ProgramName = Annotated[str, typer.Option("--program", "-p", help="A program of the DAGs folder.")]
Day = Annotated[str, typer.Option("--ds", help="The UTC day of the data, YYYY-MM-DD.")]


def exit_by_kind(work: Callable[[], None]) -> None:
    """Do `work`; an error of ours becomes one message and its exit code, any other keeps its traceback."""
    try:
        work()
    except NightslateError as error:
        errors.print(
            f"{type(error).__name__}: {error}",
            style="bold red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(error.exit_code)


def main() -> None:
    """The console script."""
    exit_by_kind(app)

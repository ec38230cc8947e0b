"""`nightslate ...`: the same night without Airflow, what was published, and whether this machine can run it.

Nothing heavy is imported before a command needs it, so that `--help` and mistakes answer at once."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from nightslate import programs
from nightslate.errors import NightslateError, SpecError

if TYPE_CHECKING:
    from nightslate.steps import Night

app = typer.Typer(
    help=__doc__.split("\n", 1)[0] if __doc__ else None, no_args_is_help=True, pretty_exceptions_enable=False
)
console = Console()
errors = Console(stderr=True)

ProgramName = Annotated[str, typer.Option("--program", "-p", help="A program of the DAGs folder.")]
Day = Annotated[str, typer.Option("--ds", help="The UTC day of the data, YYYY-MM-DD.")]


@app.command()
def run(program: ProgramName, ds: Day) -> None:
    """Run one night in this process: the plan that Airflow runs, the same tables."""
    from nightslate.steps import Night

    _run_night(Night.of(program, ds))


@app.command()
def backfill(
    program: ProgramName,
    start: Annotated[str, typer.Option("--from", help="The first day.")],
    end: Annotated[str, typer.Option("--to", help="The last day.")],
) -> None:
    """Run the nights of several days in this process, the oldest first."""
    from nightslate.steps import Night

    first, last = Night.of(program, start), Night.of(program, end)
    if last.ds < first.ds:
        raise SpecError(f"--from {first.ds} is after --to {last.ds}")
    for offset in range((last.ds - first.ds).days + 1):
        _run_night(Night(first.program, first.ds + timedelta(days=offset), first.home))


@app.command()
def step(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(programs.STEP_NAMES)}.")],
    program: ProgramName,
    ds: Day,
) -> None:
    """Run one step of a night, as a scheduler does."""
    _run_step(name, program, ds)


@app.command()
def slates(
    program: ProgramName,
    on: Annotated[str | None, typer.Option("--on", help="The slate date; the newest by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to print.")] = 10,
) -> None:
    """Print published slates."""
    from nightslate.reports.terminal import slates_table
    from nightslate.steps.published import slates_of

    console.print(slates_table(slates_of(program, on), limit))


@app.command()
def quarantine(program: ProgramName, ds: Day) -> None:
    """Print what was rejected on a day, and why."""
    from nightslate.reports.terminal import quarantine_table
    from nightslate.steps import Night

    console.print(quarantine_table(Night.of(program, ds).rows("quarantine")))


@app.command()
def history(
    program: ProgramName,
    day: Annotated[str, typer.Option("--day", help="The partition: a ds, or a slate date.")],
    table: Annotated[str, typer.Option(help="Which table.")] = "slates",
) -> None:
    """Print the commits that replaced a day of a table, the newest first."""
    from nightslate.steps import Night

    night = Night.of(program, day)
    for commit in night.table(table).history(night.ds):
        console.print(
            f"version {commit.version}  {commit.at:%Y-%m-%d %H:%M:%S} UTC  {commit.metadata}", soft_wrap=True
        )


@app.command()
def rollback(
    program: ProgramName,
    day: Annotated[str, typer.Option("--day", help="The partition: a ds, or a slate date.")],
    to_version: Annotated[int, typer.Option(help="A version that `nightslate history` prints.")],
    table: Annotated[str, typer.Option(help="Which table.")] = "slates",
) -> None:
    """Make a day's rows those of an older version again, by one commit."""
    from nightslate.steps import Night

    night = Night.of(program, day)
    version = night.table(table).rollback(night.ds, to_version)
    console.print(
        f"{night.name}/{table} of {night.ds} is as it was in version {to_version} (now version {version})"
    )


@app.command()
def vacuum(
    program: ProgramName,
    hours: Annotated[int, typer.Option(help="Keep what versions of the last so many hours need.")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would go.")] = False,
) -> None:
    """Remove files that no recent version of a program's tables needs, orphans of killed runs included."""
    from nightslate.contracts import tables
    from nightslate.steps import Night

    night = Night.of(program, programs.find(program).start_date.isoformat())
    for name in tables():
        removed = night.table(name).vacuum(hours, dry_run)
        console.print(
            f"{name}: {len(removed)} files{' would go' if dry_run else ' removed'}", highlight=False
        )


@app.command()
def doctor() -> None:
    """Check what this machine needs to run nights: Java, Python, versions, ports, the pyspark conflict."""
    from nightslate.doctor import diagnose

    findings = diagnose()
    for finding in findings:
        console.print(f"{'[green]ok  [/]' if finding.ok else '[red]FAIL[/]'} {finding.what}", highlight=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(code=1)


def run_job(name: str) -> None:
    """The whole of a spark-submit entry point: parse arguments, run one step, exit with its code."""
    parser = argparse.ArgumentParser(prog=f"{name}.py")
    parser.add_argument("--program", required=True)
    parser.add_argument("--ds", required=True)
    given = parser.parse_args()
    exit_by_kind(lambda: _run_step(name, given.program, given.ds))


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


def _run_step(name: str, program: str, ds: str) -> None:
    from nightslate.steps import Night, run_step

    night = Night.of(program, ds)
    begun = time.monotonic()
    done = run_step(name, night)
    print(f"{name} of {program} {ds}: {done} ({time.monotonic() - begun:.1f} s)", flush=True)


def _run_night(night: Night) -> None:
    from nightslate.steps import run_step

    console.rule(f"{night.name} {night.ds}", align="left")
    for planned in programs.PLAN:
        begun = time.monotonic()
        with console.status(f"{planned.name}: {planned.does}"):
            done = run_step(planned.name, night)
        console.print(f"{planned.name:>10}  {time.monotonic() - begun:5.1f} s  {done}", highlight=False)


if __name__ == "__main__":
    main()

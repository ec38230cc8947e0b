"""Commands that run nights, and whether this machine can."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from nightslate import programs
from nightslate.cli.app import Day, ProgramName, app, console, errors, exit_by_kind
from nightslate.errors import SpecError

if TYPE_CHECKING:
    from nightslate.steps import Night


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
def doctor(
    home: Annotated[
        bool, typer.Option("--home", help="Check a warehouse instead: every row of its tables, every model.")
    ] = False,
    warehouse: Annotated[
        Path | None, typer.Argument(help="With --home: which; $NIGHTSLATE_HOME by default.")
    ] = None,
) -> None:
    """Check what this machine needs to run nights: Java, Python, versions, ports, the pyspark conflict; or
    whether a warehouse is whole."""
    from nightslate.doctor import Finding, diagnose, examine

    if warehouse and not home:
        raise SpecError("a warehouse is checked by `nightslate doctor --home WAREHOUSE`")
    sound = True
    with Progress(console=errors, transient=True) as progress:

        def watch(items: Iterable[Any], name: str) -> Iterable[Any]:
            return progress.track(list(items), description=name)

        findings: Iterable[Finding] = examine(warehouse or _home(), watch) if home else diagnose()
        for finding in findings:
            sound &= finding.ok
            mark = Text.assemble(("ok  ", "green") if finding.ok else ("FAIL", "red"), " ", finding.what)
            console.print(mark, soft_wrap=True)
    if not sound:
        raise typer.Exit(code=1)


def _home() -> Path:
    from nightslate.steps.night import home_from_environment

    return home_from_environment()


def run_job(name: str) -> None:
    """The whole of a spark-submit entry point: parse arguments, run one step, exit with its code."""
    parser = argparse.ArgumentParser(prog=f"{name}.py")
    parser.add_argument("--program", required=True)
    parser.add_argument("--ds", required=True)
    given = parser.parse_args()
    exit_by_kind(lambda: _run_step(name, given.program, given.ds, on_spark=True))


def _run_step(name: str, program: str, ds: str, *, on_spark: bool = False) -> None:
    from nightslate.steps import Night, run_step

    night = Night.of(program, ds)
    if on_spark:
        from nightslate.engines.spark import SparkEngine, spark_session

        night = night.on(SparkEngine(spark_session(f"nightslate {name} {program} {ds}")))
    begun = time.monotonic()
    done = run_step(name, night)
    print(f"{name} of {program} {ds}: {done} ({time.monotonic() - begun:.1f} s)", flush=True)


def _run_night(night: Night) -> None:
    from nightslate.steps import run_step

    console.rule(f"{night.name} {night.ds}", align="left")
    for planned in night.program.plan:
        begun = time.monotonic()
        with console.status(f"{planned.name}: {planned.does}"):
            done = run_step(planned.name, night)
        console.print(f"{planned.name:>10}  {time.monotonic() - begun:5.1f} s  {done}", highlight=False)

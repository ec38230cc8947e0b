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

from nightslate import programs, settings
from nightslate.cli.app import Day, Issue, ProgramName, app, console, errors, exit_by_kind
from nightslate.cli.engines import engine_for, spark_engine
from nightslate.errors import SpecError
from nightslate.outcomes import Outcome
from nightslate.pipeline.plan import STEP_NAMES, tasks_named

if TYPE_CHECKING:
    from nightslate.pipeline.night import Night


@app.command()
def run(program: ProgramName, ds: Day) -> None:
    """Run one night in this process: the plan that Airflow runs, the same tables."""
    from nightslate.pipeline.night import Night

    night = Night.named(program, ds)
    _run_night(night.on(engine_for(night.program)))


@app.command()
def backfill(
    program: ProgramName,
    start: Annotated[str, typer.Option("--from", help="The first day.")],
    end: Annotated[str, typer.Option("--to", help="The last day.")],
) -> None:
    """Run the nights of several days in this process, the oldest first."""
    from nightslate.pipeline.night import Night

    first, last = Night.named(program, start), Night.named(program, end)
    if last.ds < first.ds:
        raise SpecError(f"--from {first.ds} is after --to {last.ds}")
    first = first.on(engine_for(first.program))
    for offset in range((last.ds - first.ds).days + 1):
        _run_night(first.at(first.ds + timedelta(days=offset)))


@app.command()
def step(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STEP_NAMES)}.")],
    program: ProgramName,
    ds: Day,
    issue: Issue = None,
    packed: Annotated[str | None, typer.Option("--packed", hidden=True)] = None,
) -> None:
    """Run one step of a night, as a scheduler does."""
    night = _night(program, ds, packed)
    heavy = any(task.step.heavy for task in tasks_named(night.program, name, issue))
    _run_step(name, night.on(engine_for(night.program)) if heavy else night, issue)


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

        findings: Iterable[Finding] = examine(warehouse or settings.home(), watch) if home else diagnose()
        for finding in findings:
            sound &= finding.ok
            mark = Text.assemble(("ok  ", "green") if finding.ok else ("FAIL", "red"), " ", finding.what)
            console.print(mark, soft_wrap=True)
    if not sound:
        raise typer.Exit(code=1)


def run_job() -> None:
    """The whole of spark-submit's application: parse arguments, run one step on Spark, exit with its code. In
    cluster mode nobody sees that code, so an error leaves its outcome in a file too."""
    parser = argparse.ArgumentParser(prog="run_step.py")
    parser.add_argument("step")
    parser.add_argument("--program", required=True)
    parser.add_argument("--ds", required=True)
    parser.add_argument("--issue")
    parser.add_argument("--packed", help="the program's text, packed; else it is read from the DAGs folder")
    parser.add_argument("--outcome", type=Path, help="the file that says how a step has failed")
    given = parser.parse_args()

    def work() -> None:
        night = _night(given.program, given.ds, given.packed)
        on_spark = night.on(spark_engine(f"nightslate {given.step} {night.name} {night.ds}"))
        _run_step(given.step, on_spark, given.issue)

    exit_by_kind(work, lambda error: Outcome.of(error).leave(given.outcome) if given.outcome else None)


def _night(program: str, ds: str, packed: str | None) -> Night:
    from nightslate.pipeline.night import Night

    return Night.named(programs.parse(programs.unpack(packed), program) if packed else program, ds)


def _run_step(name: str, night: Night, issue: str | None) -> None:
    from nightslate.pipeline.running import run_step

    begun = time.monotonic()
    done = run_step(name, night, issue)
    print(f"{name} of {night.name} {night.ds}: {done} ({time.monotonic() - begun:.1f} s)", flush=True)


def _run_night(night: Night) -> None:
    from nightslate.pipeline.plan import plan
    from nightslate.pipeline.running import run_task

    console.rule(f"{night.name} {night.ds}", align="left")
    for task in plan(night.program):
        begun = time.monotonic()
        with console.status(f"{task.name}: {task.step.does}"):
            done = run_task(task, night)
        console.print(f"{task.name:>10}  {time.monotonic() - begun:5.1f} s  {done}", highlight=False)

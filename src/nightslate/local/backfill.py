"""Nights asked of Airflow's scheduler, and watched until the last one has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table

from nightslate.errors import MachineError, NightslateError
from nightslate.local.airflow_api import Airflow, AirflowRefusedError, Task

PARSE_SECONDS = 120.0
PREVIOUS_BACKFILL_SECONDS = 90.0
POLL_SECONDS = 2.0
LOG_LINES = 30
ENDED = {"success", "failed"}
SYMBOLS = {
    "success": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "upstream_failed": "[red]·[/]",
    "running": "[yellow]▶[/]",
    "deferred": "[blue]…[/]",
    "up_for_retry": "[yellow]↻[/]",
    "queued": "[dim]○[/]",
    "scheduled": "[dim]○[/]",
}


class NightFailedError(NightslateError):
    """A night of a backfill failed; the message carries the end of the failing task's log."""


def backfill(airflow: Airflow, program: str, first: date, last: date, console: Console) -> None:
    """Run the nights first..last of a program through Airflow's scheduler, in order, and wait for them.

    Nights that ran before run again. Raises NightFailedError if one fails, after the others have ended.
    """
    _wait_for_dag(airflow, program)
    airflow.unpause(program)
    _ask(airflow, program, first, last)
    _follow(airflow, program, first, last, console)
    tasks = airflow.tasks(program, first, last)
    failed = [task for task in tasks if task.state == "failed"]
    if failed:
        task = min(failed, key=lambda task: task.ds)
        ending = "\n".join(airflow.log(program, task)[-LOG_LINES:])
        raise NightFailedError(
            f"{program}, night of {task.ds}: {task.name} failed. Its log ends with:\n{ending}"
        )
    states = airflow.run_states(program, first, last)
    unfinished = [ds for ds in nights(first, last) if states.get(ds) != "success"]
    if unfinished:
        raise NightFailedError(f"{program}: no success for {', '.join(unfinished)}; see {airflow.url}")
    for ds, seconds in sorted(airflow.run_seconds(program, first, last).items()):
        console.print(f"The night of {ds} took {seconds:.0f} s.", highlight=False)


def nights(first: date, last: date) -> list[str]:
    """Every ds from first to last, both included."""
    return [str(first + timedelta(days=day)) for day in range((last - first).days + 1)]


def _wait_for_dag(airflow: Airflow, program: str) -> None:
    deadline = time.monotonic() + PARSE_SECONDS
    while not airflow.has_dag(program):
        error = airflow.import_error(program)
        if error:
            raise NightFailedError(f"Airflow can't read the DAG {program}:\n{error}")
        if time.monotonic() > deadline:
            raise MachineError(
                f"Airflow knows no DAG {program} after {PARSE_SECONDS:.0f} s: see {airflow.url}"
            )
        time.sleep(POLL_SECONDS)


def _ask(airflow: Airflow, program: str, first: date, last: date) -> None:
    """Create the backfill, or find that one that was cut short (a restart) is at work on these nights again.

    A DAG has one backfill at a time, and the scheduler closes a finished one up to 30 s late.
    """
    deadline = time.monotonic() + PREVIOUS_BACKFILL_SECONDS
    while True:
        try:
            airflow.create_backfill(program, first, last, reprocess="completed")
        except AirflowRefusedError as refusal:
            if "already a running backfill" not in str(refusal) or time.monotonic() > deadline:
                raise
            if airflow.is_backfilling(program, first, last) and not _all_ended(airflow, program, first, last):
                return
            time.sleep(POLL_SECONDS)
        else:
            return


def _follow(airflow: Airflow, program: str, first: date, last: date, console: Console) -> None:
    names = airflow.task_names(program)
    expected = nights(first, last)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                tasks = airflow.tasks(program, first, last)
                live.update(_table(program, names, expected, tasks), refresh=True)
                if _all_ended(airflow, program, first, last):
                    live.update(_table(program, names, expected, airflow.tasks(program, first, last)))
                    return
                time.sleep(POLL_SECONDS)
    seen: dict[tuple[str, str], str | None] = {}
    while True:
        ended = _all_ended(airflow, program, first, last)
        for task in sorted(airflow.tasks(program, first, last), key=lambda t: (t.ds, names.index(t.name))):
            if seen.get((task.ds, task.name)) != task.state and task.state in SYMBOLS:
                seen[task.ds, task.name] = task.state
                console.print(f"{task.ds} {task.name:10} {task.state} {_seconds(task)}".rstrip())
        if ended:
            return
        time.sleep(POLL_SECONDS)


def _all_ended(airflow: Airflow, program: str, first: date, last: date) -> bool:
    states = airflow.run_states(program, first, last)
    return len(states) == len(nights(first, last)) and set(states.values()) <= ENDED


def _table(program: str, names: Sequence[str], expected: Sequence[str], tasks: Sequence[Task]) -> Table:
    cells = {(task.ds, task.name): f"{SYMBOLS.get(task.state or '', ' ')} {_seconds(task)}" for task in tasks}
    table = Table("night", *names, title=f"backfill of {program}", title_justify="left")
    for ds in expected:
        table.add_row(ds, *(cells.get((ds, name), "") for name in names))
    return table


def _seconds(task: Task) -> str:
    return f"{task.seconds:.0f}s" if task.seconds is not None and task.state in ENDED else ""

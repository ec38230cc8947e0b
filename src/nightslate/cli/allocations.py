"""Commands that look at an experiment whose shares follow the context, and stop it."""

from __future__ import annotations

import getpass
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightslate import programs
from nightslate.cli.app import Issue, ProgramName, app, console
from nightslate.cli.engines import engine_for
from nightslate.errors import ContractError

if TYPE_CHECKING:
    from nightslate.pipeline.night import IssueNight


@app.command()
def stop(
    program: ProgramName,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the tables and on the pages.")],
    variant: Annotated[
        str | None, typer.Option("--variant", help="The treatment; all of them by default.")
    ] = None,
    issue: Issue = None,
    by: Annotated[str | None, typer.Option("--by", help="Who decided it; by default this account.")] = None,
    at: Annotated[
        datetime | None, typer.Option("--at", help="When it was decided, in UTC; now by default.")
    ] = None,
    run_again: Annotated[
        bool, typer.Option("--run-again", help="Let run again what was stopped, from the next night on.")
    ] = False,
) -> None:
    """Take a treatment from all users of an experiment at once, and keep it from them."""
    from nightslate.pipeline.stopping import stop as stopped

    night = _night(program, issue)
    moment = at.replace(tzinfo=UTC) if at else None
    with console.status(f"stopping {variant or 'all treatments'} of {night.name}"):
        done = stopped(night, variant, by or getpass.getuser(), reason, moment, run_again)
    console.print(done, soft_wrap=True, highlight=False, markup=False)


@app.command()
def allocation(
    program: ProgramName,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="USER", help="Why this user is where it is.")
    ] = None,
    what_if: Annotated[
        Path | None,
        typer.Option("--what-if", metavar="FILE", help="What the signals in a file would change."),
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="The day of the assignments; the newest by default.")
    ] = None,
    issue: Issue = None,
) -> None:
    """Print who is in which variant and why: of all, of one user, or if there were other signals.

    Nothing is written."""
    from nightslate.pipeline import allocation_preview as preview
    from nightslate.reports.allocation import told_if, told_of_all, told_of_user

    night = _night(program, issue)
    days = night.table("assignments").snapshot().days()
    if not days:
        raise ContractError(f"nobody of {night.name} is in a variant yet: run a night first")
    night = replace(night, ds=(date.fromisoformat(on) if on else days[-1]) - timedelta(days=1))
    if explain is not None:
        console.print(told_of_user(preview.explained(night, explain)))
    elif what_if is not None:
        console.print(told_if(preview.what_if(night, what_if)))
    else:
        console.print(told_of_all(preview.allowed(night).to_pylist()))


def _night(program: str, issue: str | None) -> IssueNight:
    """Of the issue, or the only one, on the program's first day."""
    from nightslate.pipeline.night import Night

    found = programs.find(program)
    night = Night.named(found, found.start_date.isoformat()).on(engine_for(found))
    return night.of_issue(issue or found.only_issue.name)

"""Commands that look at tables, and put an older version back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nightslate import programs
from nightslate.cli.app import Day, Issue, ProgramName, app, console

if TYPE_CHECKING:
    from nightslate.pipeline.night import Night
    from nightslate.tables import Table


@app.command()
def slates(
    program: ProgramName,
    on: Annotated[str | None, typer.Option("--on", help="The slate date; the newest by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to print.")] = 10,
) -> None:
    """Print published slates."""
    from nightslate.pipeline.published_slates import slates_of
    from nightslate.reports.terminal import slates_table

    console.print(slates_table(slates_of(program, on), limit))


@app.command()
def quarantine(program: ProgramName, ds: Day) -> None:
    """Print what was rejected on a day, and why."""
    from nightslate.pipeline.night import Night
    from nightslate.reports.terminal import quarantine_table

    console.print(quarantine_table(Night.named(program, ds).rows("quarantine")))


@app.command()
def history(
    program: ProgramName,
    day: Annotated[str, typer.Option("--day", help="The partition: a ds, or a slate date.")],
    table: Annotated[str, typer.Option(help="Which table.")] = "slates",
    issue: Issue = None,
) -> None:
    """Print the commits that replaced a day of a table, the newest first."""
    from nightslate.pipeline.night import Night

    night = Night.named(program, day)
    for commit in _table(night, table, issue).history(night.ds):
        console.print(
            f"version {commit.version}  {commit.at:%Y-%m-%d %H:%M:%S} UTC  {commit.metadata}", soft_wrap=True
        )


@app.command()
def rollback(
    program: ProgramName,
    day: Annotated[str, typer.Option("--day", help="The partition: a ds, or a slate date.")],
    to_version: Annotated[int, typer.Option(help="A version that `nightslate history` prints.")],
    table: Annotated[str, typer.Option(help="Which table.")] = "slates",
    issue: Issue = None,
) -> None:
    """Make a day's rows those of an older version again, by one commit."""
    from nightslate.pipeline.night import Night

    night = Night.named(program, day)
    handle = _table(night, table, issue)
    before = handle.snapshot()
    version = handle.rollback(night.ds, to_version)
    console.print(
        f"{night.name}/{table} of {night.ds} is as it was in version {to_version} (now version {version})"
    )
    if before.files(night.ds, night.ds) and not handle.snapshot(version).files(night.ds, night.ds):
        console.print(
            f"Look: version {to_version} has no rows of {night.ds}, so the day is empty now. Its rows come"
            f" back with --to-version {before.version}",
            soft_wrap=True,
        )


@app.command()
def vacuum(
    program: ProgramName,
    hours: Annotated[int, typer.Option(help="Keep what versions of the last so many hours need.")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would go.")] = False,
) -> None:
    """Remove files that no recent version of a program's tables needs, orphans of killed runs included."""
    from nightslate.contracts import tables
    from nightslate.pipeline.night import Night

    night = Night.named(program, programs.find(program).start_date.isoformat())
    for name in tables():
        removed = night.table(name).vacuum(hours, dry_run)
        console.print(
            f"{name}: {len(removed)} files{' would go' if dry_run else ' removed'}", highlight=False
        )


def _table(night: Night, name: str, issue: str | None) -> Table:
    return night.table(name) if issue is None else night.of_issue(issue).table(name)

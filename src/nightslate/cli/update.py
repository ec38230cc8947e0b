"""The command that updates models between nights."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Annotated

import typer

from nightslate import programs
from nightslate.cli.app import ProgramName, app, console
from nightslate.cli.engines import engine_for


@app.command()
def update(
    program: ProgramName,
    ds: Annotated[
        str | None,
        typer.Option("--ds", help="The UTC day that is open; by default the one after the newest night."),
    ] = None,
    packed: Annotated[str | None, typer.Option("--packed", hidden=True)] = None,
) -> None:
    """Fold what has landed of the open day into the models: for serving, and as slates of the day.

    No table that a night reads changes, so the night of the day is what it would have been."""
    from nightslate.pipeline.night import Night
    from nightslate.pipeline.open_day import newest_night
    from nightslate.pipeline.updating import run

    found = programs.parse(programs.unpack(packed), program) if packed else programs.find(program)
    night = Night.named(found, ds or found.start_date.isoformat())
    if ds is None:
        night = night.at((newest_night(night) or night.ds) + timedelta(days=1))
    begun = time.monotonic()
    with console.status(f"update of {night.name} {night.ds}") as status:
        done = run(
            night.on(engine_for(found)),
            lambda now: status.update(f"update of {night.name} {night.ds}: {now}"),
        )
    took = time.monotonic() - begun
    console.print(
        f"update of {night.name} {night.ds}: {done} ({took:.1f} s)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )

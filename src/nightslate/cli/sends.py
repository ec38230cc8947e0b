"""Commands that hand on what is to be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightslate.cli.app import app, console

Program = Annotated[str, typer.Argument(help="A program of the DAGs folder.", show_default=False)]
SendDay = Annotated[
    str, typer.Option("--date", help="The day of the slates, YYYY-MM-DD.", show_default=False)
]


@app.command()
def sends(
    program: Program,
    date: SendDay,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write them: .csv or .parquet.", show_default=False)
    ],
    channel: Annotated[str | None, typer.Option(help="Those of one channel; all by default.")] = None,
) -> None:
    """Write what is to be sent on a day to a file, for the system that sends it.

    In CSV, text that a spreadsheet would take for a formula begins with an apostrophe."""
    from nightslate.pipeline.night import Night
    from nightslate.sending.due import sends_of
    from nightslate.sending.export import export

    night = Night.named(program, date)
    due = sends_of(night, channel)
    export(due, out, night.table("sends").path)
    console.print(f"{out}: {due.num_rows} sends of {night.ds}", highlight=False, soft_wrap=True)

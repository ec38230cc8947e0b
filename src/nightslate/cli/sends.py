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


@app.command()
def send(
    program: Program,
    date: SendDay,
    addresses: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="user_id (as it lands) and address: .csv, .parquet.", show_default=False
        ),
    ],
    templates: Annotated[
        Path, typer.Option(metavar="FOLDER", help="A file ARM.eml for each arm.", show_default=False)
    ],
    smtp: Annotated[str, typer.Option(metavar="HOST:PORT", help="The mail server.", show_default=False)],
    channel: Annotated[str, typer.Option(help="Which channel is e-mail.")] = "email",
    per_second: Annotated[float, typer.Option(help="So many messages a second at most.")] = 10.0,
    opt_outs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="user_id of those who want nothing any more.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that the server has to answer.")] = 30.0,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="The server may be another machine; then over TLS.")
    ] = False,
) -> None:
    """Send what is due of a day by e-mail, each message at most once, however often this runs.

    Run it again and again during the day: what is not due yet is sent later, what has been sent is not sent
    again. The server's login is that of the environment."""
    from nightslate.pipeline.night import Night
    from nightslate.sending.send import send
    from nightslate.sending.smtp import Server

    server = Server.of(smtp, timeout, allow_remote)
    night = Night.named(program, date)
    for line in send(night, channel, addresses, templates, server, per_second, opt_outs):
        console.print(line, highlight=False, soft_wrap=True, markup=False)

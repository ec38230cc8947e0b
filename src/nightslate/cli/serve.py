"""The command that serves decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from nightslate import programs, settings
from nightslate.cli.app import ProgramName, app, console
from nightslate.errors import SpecError


@app.command()
def serve(
    program: ProgramName,
    host: Annotated[str, typer.Option(help="A loopback address; the app has no login.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where it listens.")] = 5002,
    close: Annotated[
        str | None,
        typer.Option(
            help="Serve nothing: land what was taken in, put the markers of a day (YYYY-MM-DD), and end."
        ),
    ] = None,
    keep_open: Annotated[
        bool,
        typer.Option(
            "--keep-open", help="Put no markers of days: somebody else lands into the same logs, too."
        ),
    ] = False,
) -> None:
    """Serve decisions over HTTP: a user's activity in, help or nothing out, logged into landing.

    Wants the key of pseudonyms, and a night of yesterday; days are closed once they are over."""
    from nightslate.landing.options import day_of
    from nightslate.online.server import application, require_loopback
    from nightslate.online.service import Service
    from nightslate.pipeline.night import Night

    require_loopback(host)
    found = programs.find(program)
    if found.serving is None:
        raise SpecError(
            f"{program} is served by nights alone; to ask for decisions, add the key `serving: {{}}`"
        )
    service = Service(Night(found, datetime.now(UTC).date(), settings.home()), closes=not keep_open)
    if close is not None:
        service.close_day(day_of("--close", close))
        console.print(f"closed: {close}", highlight=False)
        return
    import uvicorn

    console.print(f"{program} is served on {host}:{port}; POST /decisions", highlight=False)
    uvicorn.run(application(service), host=host, port=port, log_level="warning", access_log=False)

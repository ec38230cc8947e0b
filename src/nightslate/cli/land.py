"""The command that reads a message queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightslate import programs, settings
from nightslate.cli.app import ProgramName, app, console
from nightslate.errors import SpecError


@app.command()
def land(
    source: Annotated[
        str,
        typer.Option("--from", help="The topic: kafka://HOST:PORT[,HOST:PORT]/TOPIC.", show_default=False),
    ],
    program: ProgramName,
    log: Annotated[str, typer.Option(help="Which landing log its messages are rows of.", show_default=False)],
    until: Annotated[
        str,
        typer.Option(help="Where to stop: latest, a number of messages (10000) or a time (30s, 10m)."),
    ] = "latest",
    flush_size: Annotated[int, typer.Option(min=1, help="Messages in a micro-batch, at most.")] = 50_000,
    close: Annotated[
        str | None,
        typer.Option(
            help="Then put the marker of a day (YYYY-MM-DD), or of each day that every partition is past by"
            " so much (2h)."
        ),
    ] = None,
    reopen: Annotated[
        str | None, typer.Option(help="First put what came too late for a day into it (YYYY-MM-DD).")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Go on where messages are gone, and record what was skipped.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Settings of librdkafka, a line NAME=VALUE each: TLS, SASL.")
    ] = None,
) -> None:
    """Land the messages of a Kafka topic, each exactly once, whenever this was killed before.

    JSON objects become rows of the day that their event is of; anything else lands too, for quarantine."""
    from nightslate.landing import options
    from nightslate.landing.land import Landing
    from nightslate.landing.log import Log
    from nightslate.landing.summary import lines
    from nightslate.landing.topic import Topic

    found = Log(programs.find(program), log, settings.home())
    where, stop = options.source(source, config), options.until(until)
    closing = options.closing(close) if close else None
    again = options.day_of("--reopen", reopen) if reopen else None
    if closing and isinstance(stop, options.Until) and stop.messages:
        raise SpecError("--close wants all that there is: leave --until at latest, or give it a time")
    with Topic(where) as topic:
        landing = Landing(topic, found, restart)
        if again:
            landing.reopen(again)
        landing.land(stop, flush_size)
        if closing:
            landing.close(closing)
        for text in lines(landing):
            console.print(text, soft_wrap=True, highlight=False, markup=False)

"""Worlds with known truth that a program's nights learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from nightslate import programs
from nightslate.cli.app import app, console, exit_by_kind
from nightslate.cli.engines import engine_for
from nightslate.worlds.registry import WORLDS


def _one_of_the_worlds(name: str) -> str:
    if name not in WORLDS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, WORLDS))}.")
    return name


@app.command()
def simulate(
    world: Annotated[
        str,
        typer.Argument(
            help=f"The world, and the program: {' or '.join(WORLDS)}.", callback=_one_of_the_worlds
        ),
    ],
    home: Annotated[Path, typer.Option(help="An empty warehouse for it.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, help="Days to play, each with its night.")] = 30,
    users: Annotated[
        int,
        typer.Option(min=100, help="Participants on board, customers in a cohort, or users who ever come."),
    ] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Of the world and all that happens in it.")] = 1,
    served: Annotated[
        bool,
        typer.Option(
            "--served",
            help="The rec engine posts what users do to the program's app and shows what that answers,"
            " instead of the night's slates (proactive_assistance).",
        ),
    ] = False,
) -> None:
    """Play a world and the nights of its program in turn, and write a page about what was learnt.

    The truth is known: the page has it beside what the nights estimated and decided."""

    def work() -> None:
        from nightslate.worlds.play import Play, write

        program = programs.find(world)
        play = Play(program, home.absolute(), users, seed, engine_for(program), served)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} nights"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            playing = bar.add_task(world, total=days)
            report = play.run(
                days,
                lambda day, what: bar.update(
                    playing, completed=day, description=f"day {min(day + 1, days)}: {what}"
                ),
            )
        console.print(f"page     {write(report, home.absolute() / 'reports' / world)}", soft_wrap=True)
        console.print(report.headline, soft_wrap=True, highlight=False)

    exit_by_kind(work)

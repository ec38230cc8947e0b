"""Worlds with known truth that a program's nights learn from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from nightslate import programs
from nightslate.cli.app import app, console, exit_by_kind

_KEY = "participants that nobody has ever met"


@app.command()
def simulate(
    world: Annotated[
        Literal["onboarding_401k", "next_best_action"], typer.Argument(help="The world, and the program.")
    ],
    home: Annotated[Path, typer.Option(help="An empty warehouse for it.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, help="Days to play, each with its night.")] = 30,
    users: Annotated[
        int, typer.Option(min=100, help="Participants on board on any day, or customers in a cohort.")
    ] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Of the world and all that happens in it.")] = 1,
) -> None:
    """Play a world and the nights of its program in turn, and write a page about what was learnt.

    The truth is known: the page has it beside what the nights estimated and decided."""

    def work() -> None:
        from nightslate.loop.play import Play, write
        from nightslate.reports.simulation import headline

        # The people are invented. With a key of its own, a seed is a world on every machine.
        os.environ["NIGHTSLATE_PSEUDONYM_KEY"] = _KEY
        play = Play(programs.find(world), home.absolute(), users, seed)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} nights"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            playing = progress.add_task(world, total=days)
            told = play.run(
                days,
                lambda day, what: progress.update(
                    playing, completed=day, description=f"day {min(day + 1, days)}: {what}"
                ),
            )
        console.print(f"page     {write(told, home.absolute() / 'reports' / world)}", soft_wrap=True)
        console.print(headline(told.simulation), soft_wrap=True, highlight=False)

    exit_by_kind(work)

"""The command that forgets a user."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from nightslate import programs, settings
from nightslate.cli.app import app, console
from nightslate.errors import SpecError

if TYPE_CHECKING:
    from nightslate.forgetting.forget import Forgotten


@app.command()
def forget(
    user: Annotated[
        str,
        typer.Argument(
            help="The user's id as it lands, or - for the line on standard input.", show_default=False
        ),
    ],
    program: Annotated[
        str | None, typer.Option("--program", "-p", help="One program; all of the warehouse by default.")
    ] = None,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum", help="Remove files of older versions too, though somebody may still read them."
        ),
    ] = False,
) -> None:
    """Take all that is kept of a user out of tables, landing files and what else there is, for good.

    What lands of the user later is dropped. Run it while no night of the program runs; run again, it goes
    on."""
    from nightslate.forgetting.forget import forget
    from nightslate.kernels.pseudonyms import Pseudonymiser
    from nightslate.tables import Warehouse

    found = sys.stdin.readline().rstrip("\r\n") if user == "-" else user
    if not found:
        raise SpecError("whom? Give the id of a user, as it lands, or - and the id on standard input")
    known = Warehouse(settings.home()).programs()
    if program is not None and program not in known:
        raise SpecError(
            f"{settings.home()} has nothing of {program!r} (there: {', '.join(known) or 'nothing'})"
        )
    pseudonymise = Pseudonymiser.from_environment()
    for name in known if program is None else [program]:
        declared = programs.find(name) if (settings.dags_folder() / f"{name}.yaml").is_file() else None
        done = forget(settings.home(), name, declared, found, pseudonymise, vacuum)
        for line in _in_words(done, vacuum):
            console.print(line, highlight=False, soft_wrap=True, markup=False)


def _in_words(done: Forgotten, at_once: bool) -> list[str]:
    from nightslate.tables.table import RETENTION_HOURS

    places = ", ".join(f"{rows} of {place}" for place, rows in done.rows.items() if rows) or "nothing"
    lines = [f"{done.program}: request {done.request} took out {places}"]
    if done.attempts:
        lines.append(f"  {done.attempts} attempts were staged with rows of the user: run these steps again")
    if done.models is None:
        lines.append(
            "  which models learnt from the user is not known: the program is not in the DAGs folder"
        )
    elif done.models:
        nights = done.nights
        lines.append(
            f"  {', '.join(model.place for model in done.models)} learnt from the user in {len(nights)}"
            " nights. They forget once these run again:"
            f" nightslate backfill --program {done.program} --from {nights[0]} --to {nights[-1]}"
        )
    if done.pages:
        lines.append(
            f"  {len(done.pages)} pages showed the user and are removed: the step report makes them again"
        )
    if done.unread:
        lines.append(
            f"  Look: nobody can read {', '.join(map(str, done.unread))}; what they hold is not known"
        )
    if done.older:
        after = datetime.now(UTC).date() + timedelta(hours=RETENTION_HOURS) + timedelta(days=1)
        wait = f"wait for `nightslate vacuum --program {done.program}` on {after} or later"
        lines.append(f"  {len(done.older)} files of older versions {'are removed' if at_once else wait}")
    return lines

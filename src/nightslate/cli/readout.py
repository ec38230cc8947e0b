"""`nightslate readout`: what the variants of an experiment were worth, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nightslate.cli.app import Quarantine, app, exit_by_kind, show, show_notes
from nightslate.cli.bars import Bars


@app.command()
def readout(
    file: Annotated[Path, typer.Argument(help="Parquet, CSV or JSON lines.", show_default=False)],
    control: Annotated[
        str, typer.Option(help="The variant that others are compared with.", show_default=False)
    ],
    metric: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="Its mean; or NUMERATOR/DENOMINATOR, the ratio of two sums. The verdict goes by the first.",
            show_default=False,
        ),
    ],
    covariate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=COLUMN", help="What was known before the experiment, of a metric or like it."
        ),
    ] = None,
    variant: Annotated[str, typer.Option(metavar="COLUMN", help="Which variant a user is in.")] = "variant",
    user: Annotated[str, typer.Option(metavar="COLUMN", help="Whose row it is.")] = "user_id",
    probability: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="With which the user was assigned to the variant; rows are weighed by it."
        ),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(metavar="a=.5,b=.5", help="Which share of users each variant was to get."),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The day of the row; a user is of the variant of the first."),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The same for each of its values.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="The coverage of an interval.")] = 0.95,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the relative effects to .svg or .png.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    quarantine: Quarantine = None,
) -> None:
    """Compare the variants of an experiment, and say whether to ship one.

    A row of FILE is a user, or one of several of the same user: user_id, variant, and columns of numbers.

    Figures come with an interval for one look, and with one that holds however often one looks:
    docs/readout.md."""

    def work() -> None:
        from nightslate.files.readout.as_json import as_json as json_of
        from nightslate.files.readout.options import ReadoutOptions
        from nightslate.files.readout.readout import readout as readout_of
        from nightslate.reports.readout import readout_report
        from nightslate.reports.readout_plot import draw, require_drawable

        options = ReadoutOptions.of(
            control=control,
            metrics=metric,
            covariates=covariate or (),
            variant=variant,
            user=user,
            probability=probability,
            shares=shares,
            date=date,
            segment=segment,
            confidence=confidence,
        )
        if plot:
            require_drawable(plot, file)
        with Bars() as bars:
            found = readout_of(file, options, quarantine, bars.show)
        if plot:
            draw(found, plot)
        if as_json:
            show_notes(found.notes)
            print(json.dumps(json_of(found), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            show(readout_report(found))

    exit_by_kind(work)

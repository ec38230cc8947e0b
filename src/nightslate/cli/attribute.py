"""`nightslate attribute`: outcomes in a file to impressions in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nightslate.cli.app import Quarantine, SummaryAsJson, app, exit_by_kind, show, show_notes
from nightslate.cli.bars import Bars
from nightslate.programs.rewards import MAX_TOUCHES, SKEW


@app.command()
def attribute(
    impressions: Annotated[
        Path,
        typer.Option(help="impression_id, user_id, arm_id, occurred_at; slot if there.", show_default=False),
    ],
    outcomes: Annotated[
        Path,
        typer.Option(
            help="outcome_id, user_id, kind, value, occurred_at; arm_id and impression_id if there.",
            show_default=False,
        ),
    ],
    window: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long after an impression an outcome counts: 30m, 12h, 14d.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Write the credits to .parquet, .csv or .jsonl.", show_default=False
        ),
    ],
    rule: Annotated[
        str, typer.Option(help="last_touch, first_touch, linear, time_decay, position or shapley.")
    ] = "last_touch",
    half_life: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="For time_decay: a touch so much older has half the share."),
    ] = None,
    match: Annotated[
        str,
        typer.Option(
            help="Which impressions can be credited: of the same user, user_arm (also the same arm), the "
            "impression that the outcome names, or closest: whichever the outcome says most for."
        ),
    ] = "user",
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=WORTH",
            help="What a kind is worth, times the outcome's own value; kinds without one then get no credit. "
            "Every kind is worth 1 without this option.",
        ),
    ] = None,
    decay: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="An outcome so long after an impression is worth half to it."),
    ] = None,
    cap: Annotated[
        float | None, typer.Option(help="The most that the outcomes of a user and UTC day earn together.")
    ] = None,
    skew: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="An outcome may seem to be so much before the impression that it names.",
        ),
    ] = SKEW,
    max_touches: Annotated[
        int, typer.Option(min=1, help="So many of the latest impressions share an outcome.")
    ] = MAX_TOUCHES,
    unattributed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write outcomes without credit there, with the reason."),
    ] = None,
    quarantine: Quarantine = None,
    as_json: SummaryAsJson = False,
) -> None:
    """Credit outcomes to the impressions before them, by a rule that says how they share it.

    Files are Parquet, CSV or JSON lines; times have a time zone. Parquet need not fit into memory.

    Rows of the result: impression_id, outcome_id, kind, credit, value (the outcome's credits together),
    lag_seconds and rule. What each option means exactly: docs/attribute.md."""

    def work() -> None:
        from nightslate.files.attribution.attribute import attribute as attribute_files
        from nightslate.files.attribution.options import attributor
        from nightslate.reports.attribution import as_json as json_of
        from nightslate.reports.attribution import attribution_report

        how = attributor(
            rule=rule,
            window=window,
            half_life=half_life,
            match=match,
            values=value or (),
            decay=decay,
            cap=cap,
            skew=skew,
            max_touches=max_touches,
        )
        with Bars() as bars:
            summary = attribute_files(
                impressions,
                outcomes,
                how,
                out,
                quarantine=quarantine,
                unattributed=unattributed,
                progress=bars.show,
            )
        show_notes(summary.notes)
        if as_json:
            print(json.dumps(json_of(summary), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            show(attribution_report(summary))

    exit_by_kind(work)

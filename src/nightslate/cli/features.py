"""`nightslate features`: what users did, in a file, as of moments in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nightslate.cli.app import Quarantine, SummaryAsJson, app, exit_by_kind, show, show_notes
from nightslate.cli.bars import Bars


@app.command()
def features(
    activity: Annotated[
        Path,
        typer.Option(
            help="user_id, occurred_at and the columns that features look at; landed_at if there.",
            show_default=False,
        ),
    ],
    spec: Annotated[Path, typer.Option(metavar="FILE", help="The features, in YAML.", show_default=False)],
    as_of: Annotated[Path, typer.Option(help="user_id and as_of; known_at if there.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Write the rows with their features to .parquet, .csv or .jsonl.",
            show_default=False,
        ),
    ],
    quarantine: Quarantine = None,
    as_json: SummaryAsJson = False,
) -> None:
    """Compute features of users as of moments, from what they did before.

    An event counts for a moment if it happened before as_of, within the window, and was known by known_at
    (as_of where there is none). Files are Parquet, CSV or JSON lines; times have a time zone.

    What a feature can be: docs/features.md."""

    def work() -> None:
        from nightslate.files.features.features import features as features_of_files
        from nightslate.programs.loading import load_features
        from nightslate.reports.features import as_json as json_of
        from nightslate.reports.features import features_report

        declared = load_features(spec)
        with Bars() as bars:
            summary = features_of_files(
                activity, declared, as_of, out, progress=bars.show, quarantine=quarantine
            )
        show_notes(summary.notes)
        if as_json:
            print(json.dumps(json_of(summary), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            show(features_report(summary, out))

    exit_by_kind(work)

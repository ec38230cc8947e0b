"""Commands on a file: no program, no Spark and no warehouse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from nightslate.cli.app import Quarantine, app, errors, exit_by_kind, show, show_notes


class RangeCommand(TyperCommand):
    """Takes `--range 0 1` for `--range 0,1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Joins the two ends, where there are two."""
        if "--range" in args:
            at = args.index("--range") + 1
            ends = args[at : at + 2]
            if len(ends) == 2 and all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", end) for end in ends):
                args = [*args[:at], ",".join(ends), *args[at + 2 :]]
        return super().parse_args(ctx, args)


@app.command(cls=RangeCommand)
def ope(
    log: Annotated[Path, typer.Argument(help="Parquet, CSV or JSON lines.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    slate: Annotated[str | None, typer.Option(help="Slates: the column of the decision.")] = None,
    slot: Annotated[str | None, typer.Option(help="Slates: the column of the slot, from 1.")] = None,
    trajectory: Annotated[
        str | None, typer.Option(help="Trajectories: the column that says which one a row is of.")
    ] = None,
    step: Annotated[
        str | None, typer.Option(help="Trajectories: the column of the step, from 1 or from 0.")
    ] = None,
    discount: Annotated[
        float | None,
        typer.Option(help="Trajectories: what a reward is worth a step later, in (0, 1]; 1 by default."),
    ] = None,
    interval: Annotated[
        str,
        typer.Option(help="bootstrap, delta; with --range also empirical_bernstein, hoeffding, anytime."),
    ] = "bootstrap",
    confidence: Annotated[float, typer.Option(help="The coverage of an interval.")] = 0.95,
    rewards: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW,HIGH", help="What one reward can be; for guaranteed intervals."),
    ] = None,
    max_weight: Annotated[
        float | None, typer.Option(help="The largest weight that is possible; the largest seen by default.")
    ] = None,
    estimators: Annotated[str | None, typer.Option(help="Only these, with commas between them.")] = None,
    tuning: Annotated[
        list[str] | None,
        typer.Option(metavar="ESTIMATOR=VALUE", help="Fix a tuning parameter instead of choosing it."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="Compare with the policy that was logged, or none.")
    ] = "logged",
    resamples: Annotated[int, typer.Option(min=2, help="Replicates of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    quarantine: Quarantine = None,
) -> None:
    """Evaluate a policy on a log of another one, and say whether to deploy it.

    A row of LOG has a reward, the propensity of what was shown, and target_propensity, the target policy's.

    More columns give more estimators: see docs/ope.md."""

    def work() -> None:
        from nightslate.files.layout import Layout
        from nightslate.files.log import read_log
        from nightslate.files.ope import evaluate
        from nightslate.files.ope_json import as_json as json_of
        from nightslate.files.ope_options import OpeOptions
        from nightslate.reports.ope import ope_report

        question = OpeOptions.of(
            estimators=estimators,
            interval=interval,
            confidence=confidence,
            rewards=rewards,
            max_weight=max_weight,
            tunings=tuning or (),
            resamples=resamples,
            baseline=baseline,
            seed=seed,
        )
        layout = Layout.of(slate=slate, slot=slot, trajectory=trajectory, step=step, discount=discount)
        read = read_log(log, layout, quarantine)
        if read.rejected:
            show_notes([read.summary])
        evaluation = evaluate(read, question)
        if as_json:
            print(json.dumps(json_of(evaluation), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            show(ope_report(evaluation))

    exit_by_kind(work)


@app.command()
def propensities(
    weights: Annotated[
        Path,
        typer.Option(help="Parquet, CSV or JSON lines with the lists candidates, weights and ranking."),
    ],
    slots: Annotated[int, typer.Option(min=1, help="A slate is the first so many arms of a ranking.")],
    eligible: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Lists of the arms that may be shown.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all rows to .parquet, .csv or .jsonl.")
    ] = None,
    quarantine: Quarantine = None,
) -> None:
    """Print how likely slates were: conditional and marginal propensities by slot, and joint.

    A row has candidates (ids), their weights, and a ranking of them; lists are JSON arrays in CSV. Published
    slates are such rows. A row with a penalty of diversity has the groups of its candidates, too. Without
    rankings: the marginals of all candidates."""

    def work() -> None:
        from nightslate.files.propensities import propensities as propensities_of
        from nightslate.files.writing import json_rows, require_writable, write
        from nightslate.reports.propensities import propensities_table

        if out:
            require_writable(out, weights)
        with errors.status(f"propensities of {weights}"):
            found = propensities_of(weights, slots, eligible, quarantine)
        show_notes(found.notes)
        if out:
            write(found.table, out)
            show_notes([f"{out}: {found.table.num_rows:,} rows written"])
        if as_json:
            print("[" + ",\n ".join(json_rows(found.table)) + "]")
        elif not out:
            show(propensities_table(found.table))

    exit_by_kind(work)

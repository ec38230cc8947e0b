"""What a run of nights has produced, in the terminal, and where to look further."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console

from nightslate import programs
from nightslate.kernels.cross_fitting import LOGGED
from nightslate.pipeline.night import IssueNight, Night
from nightslate.reports.estimands import in_words, leading
from nightslate.reports.numbers import Reward
from nightslate.reports.terminal import evaluation_table, promotions_table, slates_table


def print_summary(program: str, home: Path, console: Console) -> None:
    """The newest night's evaluation and gate, some of its slates, and the paths of everything else."""
    spec = programs.find(program)
    tables = Night(spec, spec.start_date, home)
    night = Night(spec, tables.table("evaluations").snapshot().days()[-1], home)
    for of_issue in night.issues:
        _print_estimates(of_issue, console)
    console.rule(f"Some slates of {night.slate_date}", align="left")
    slates = night.table("slates").rows(night.slate_date, night.slate_date)
    console.print(slates_table(slates, 5))
    console.rule("Where to look", align="left")
    reports = [night.warehouse.report(program, night.ds, each.only) for each in night.issues]
    for name, path in (
        *(("report", path) for path in reports),
        ("all nights", night.warehouse.dashboard(program)),
        ("Data Docs", night.data_docs / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"),
        ("slates", night.table("slates").path),
    ):
        console.print(f"{name:>10}  {path}", soft_wrap=True, highlight=False)


def _print_estimates(night: IssueNight, console: Console) -> None:
    issue, of_several = night.issue, f", {night.only}" if night.only else ""
    reward = Reward(issue.rewards.name, issue.rewards.rate)
    alone = pc.field("reference").is_null()
    is_value = alone & ((pc.field("policy") != LOGGED) | (pc.field("estimator") == issue.judged_by))
    console.rule(f"{night.name}{of_several}, night of {night.ds}: what each policy is worth", align="left")
    values = leading(night.rows("evaluations")).filter(is_value)
    console.print(evaluation_table(values, reward))
    console.print(f"({in_words(values.to_pylist()[0])})", highlight=False)
    console.rule("The gate", align="left")
    console.print(promotions_table(night.rows("promotions"), reward))

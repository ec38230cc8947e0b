"""The page of the night, from the tables; also kept with the night's MLflow run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.cross_fitting import LOGGED
from nightslate.models.tracking import NightRun
from nightslate.pipeline.arms import baseline_of_no_arm, costs_of_no_arm, offered_arms
from nightslate.pipeline.champion_reigns import Reign, untaught_champion
from nightslate.pipeline.contact_figures import contact_figures
from nightslate.pipeline.evidence_table import CHANGED
from nightslate.pipeline.experiments import OTHERS
from nightslate.pipeline.issue_shares import issue_shares
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.night_pages import (
    Tables,
    all_nights,
    counted,
    experiment_of,
    provenance,
    rows_of_day,
    write_page,
)
from nightslate.pipeline.send_figures import send_figures
from nightslate.pipeline.slate_budgets import budgets, budgets_of_no_arm, tracked_uses
from nightslate.programs.days import first_day
from nightslate.programs.learners import FittedQLearner, blind_to_more
from nightslate.records.overlap import STRANGERS
from nightslate.reports import plots, reign_plots, sequence_plots
from nightslate.reports.estimands import cross_fitted, leading
from nightslate.reports.night_page import page
from nightslate.reports.night_report import BUDGETS, NightReport
from nightslate.reports.numbers import Reward
from nightslate.reports.reigns import growths
from nightslate.reports.sequence import TRANSITION_COLUMNS, SequenceFigures, sequence_figures
from nightslate.tables import Table

_SAMPLE = 6
_DECISIONS = 20_000
_TABLES = ("impressions", "outcomes", "users", "arms", "credits", "unattributed", "quarantine")


def run(night: IssueNight, **tables: Table) -> str:
    """Writes reports/<program>/<ds>.html, or that of the issue where the program has several, and how often
    the night's slates show each arm, for the page of all nights."""
    tracked = night.run()
    exposures = tables["exposures"].typed(_exposures(night, tables["slates"]))
    tables["exposures"].replace(night.slate_date, exposures, night.commit_metadata)
    report = _gather(night, tables, tracked, _shares(exposures))
    path = write_page(night, tracked, page(report))
    evaluations = leading(report.evaluations)
    charts = {
        "policy_values": plots.policy_values(evaluations, report.reward),
        "mean_weights": plots.weights_health(evaluations),
        "evidence": reign_plots.capital(growths(report.evidence, report.promotions.to_pylist())),
        "exposure": plots.exposure(report.exposure),
    }
    if report.sequences is not None:
        by_learner = {figures.learner: figures for figures in report.sequences}
        figures_of = {learner: figures.to_json() for learner, figures in by_learner.items()}
        tracked.log_file(json.dumps(figures_of, indent=1, allow_nan=False), "sequences.json")
        charts |= {
            f"sequences/{learner}/{name}": chart
            for learner, figures in by_learner.items()
            for name, chart in sequence_plots.charts(figures, report.reward.name).items()
        }
    for name, chart in charts.items():
        if chart is not None:
            tracked.log_file(plots.to_png(chart), f"plots/{name}.png")
    tracked.finish()
    return path


def _gather(night: IssueNight, tables: Tables, tracked: NightRun, exposure: pa.Table) -> NightReport:
    def tonight(name: str) -> pa.Table:
        return tables[name].rows(night.ds, night.ds)

    issue, reign = night.issue, Reign.as_of(night, tables["promotions"], tables["evidence"])
    gate, rewards, evaluations = issue.gate, issue.rewards, tonight("evaluations")
    logged = evaluations.filter(
        (pc.field("policy") == LOGGED)
        & pc.field("reference").is_null()
        & (pc.field("estimator") == issue.judged_by)
        & pc.field("value").is_valid()
    )
    compared = (pc.field("policy") != LOGGED) & (
        pc.field("reference").is_null() | (pc.field("reference") == reign.champion)
    )
    leads = leading(evaluations)
    return NightReport(
        program=night.name,
        description=night.program.description,
        ds=night.ds,
        slates_date=night.slate_date,
        all_nights=all_nights(night),
        reward=Reward(rewards.name, rewards.rate),
        evaluations=evaluations.filter(compared),
        promotions=tonight("promotions"),
        evidence=reign.evidence,
        models=tonight("models"),
        untaught=untaught_champion(night, tables["promotions"], tables["models"]),
        costs_of_no_arm=costs_of_no_arm(night, tables["arms"]),
        budgets_of_no_arm=budgets_of_no_arm(night, tables["arms"]),
        baseline_of_no_arm=baseline_of_no_arm(night, tables["arms"]),
        sweeps=tonight("sweeps") if issue.epsilon_ranges else None,
        controls=tonight("controls") if issue.evaluation.controls else None,
        short_kinds=list(rewards.short.values) if rewards.short else [],
        champion=reign.champion,
        uplift=tonight("uplift") if issue.uplift else None,
        insights=tonight("insights") if issue.insights else None,
        log_odds=issue.learners[reign.champion].kind.startswith("logistic"),
        quarantine=counted(tonight("quarantine"), ["log", "reason", "clause"], "rows"),
        outcomes=_fates(night.ds, tables),
        strangers=tables["unattributed"].snapshot().metadata(night.ds).get(STRANGERS, ""),
        rows=_rows(tables, night.ds),
        references=_references(
            tables["references"], leads["first_day"][0].as_py(), leads["last_day"][0].as_py()
        ),
        logged=logged.filter(pc.field("estimand") == leads["estimand"][0]).select(["issue", "value", "n"]),
        slates=_sample(night, tables["slates"]),
        min_cell=night.program.min_cell,
        exposure=exposure,
        ledger=tonight("ledger"),
        min_ess=gate.min_ess,
        max_unsupported_share=gate.max_unsupported_share,
        alpha=gate.alpha,
        margin=gate.margin,
        range_declared=issue.reward_range is not None,
        changed=tracked.run.data.tags.get(CHANGED, ""),
        weighs_decisions=issue.slots_weighed > 1,
        sequences=_sequences(night, tables, tracked, cross_fitted(logged)),
        delays=tonight("delays") if rewards.maturity == "ipcw" else None,
        drift=tonight("feature_drift") if night.program.features else None,
        worth=_worth(night, leads),
        budgets=_budgets(night, tables, tracked, exposure) if issue.budgets else None,
        contacts=contact_figures(night, tables["withheld"], tables["impressions"]),
        sends=send_figures(night, tables["sends"], tables["withheld"], tables["capped"]),
        issue_shares=issue_shares(night, tables["issue_choices"]) if night.program.issue_choice else None,
        experiment=experiment_of(night, tables),
        external=sorted(issue.external),
        others=int(tracked.run.data.metrics.get(OTHERS, 0)),
        rows_before=_rows(tables, night.ds - timedelta(days=1)),
        provenance={
            "registered version @champion": night.registry.champion_version() or "none yet",
            **provenance(night, tracked),
        },
    )


def _sequences(
    night: IssueNight, tables: Tables, tracked: NightRun, logged: pa.Table
) -> list[SequenceFigures] | None:
    """What each fitted_q learner makes of the newest sequences, in the order of their names."""
    if night.issue.sequence is None:
        return None
    transitions = _newest_transitions(night, tables["transitions"])
    sweeps, models = (tables[name].rows(night.ds, night.ds) for name in ("sweeps", "models"))
    value = logged["value"].to_pylist()
    return [
        sequence_figures(
            night.registry.load(row["digest"]),
            transitions,
            sweeps,
            estimator=night.issue.judged_by,
            tolerance=learner.tolerance,
            logged=value[0] if value else None,
            ess_by_step=_ess_by_step(tracked, row["learner"]),
        )
        for row in models.sort_by("learner").to_pylist()
        if isinstance(learner := night.issue.learners[row["learner"]], FittedQLearner)
    ]


def _ess_by_step(tracked: NightRun, learner: str) -> list[float]:
    """The effective sample sizes that the step `evaluate` logged, in the order of the steps."""
    prefix = f"{learner}.ess.step_"
    metrics = tracked.run.data.metrics
    found = {int(name.removeprefix(prefix)): metrics[name] for name in metrics if name.startswith(prefix)}
    return [found[step] for step in sorted(found)]


def _newest_transitions(night: IssueNight, transitions: Table) -> pa.Table:
    """Whole sequences, of as many of the newest nights as it takes for their figures to say something."""
    snapshot = transitions.snapshot()
    files = snapshot.files(first_day(night.ds, night.issue.training.window_days), night.ds)
    since, rows = night.ds, 0
    for file in reversed(files):
        if rows >= _DECISIONS and file.day < since:
            break
        since, rows = file.day, rows + file.rows
    columns = [*TRANSITION_COLUMNS, *(feature.name for feature in night.program.context)]
    return snapshot.to_arrow(since, night.ds, columns)


def _budgets(night: IssueNight, tables: Tables, tracked: NightRun, exposure: pa.Table) -> pa.Table:
    """What `score` made of each budget, and what the slates use of it as they were drawn."""
    offered = offered_arms(night, tables["arms"])
    slates = sum(file.rows for file in tables["slates"].snapshot().files(night.slate_date, night.slate_date))
    shown = np.zeros(offered.num_rows)
    at = pc.index_in(exposure["arm_id"], offered["arm_id"].combine_chunks()).to_numpy()
    np.add.at(shown, at, exposure["share"].to_numpy() * slates)
    by_name = {budget.name: round(budget.used(shown), 6) for budget in budgets(night, offered)}
    rows = [{**asdict(use), "shown": by_name[use.name]} for use in tracked_uses(night, tracked)]
    return pa.Table.from_pylist(rows, BUDGETS)


def _rows(tables: Tables, day: date) -> dict[str, int]:
    """How many rows each table has of a day; the slates are those for the day after."""
    return {**rows_of_day(tables, _TABLES, day), **rows_of_day(tables, ["slates"], day + timedelta(days=1))}


def _worth(night: IssueNight, evaluations: pa.Table) -> list[dict[str, Any]]:
    """What learners make of features that others, which are otherwise the same, ignore."""
    judged = evaluations.filter(pc.field("estimator") == night.issue.judged_by).to_pylist()
    found = {(row["policy"], row["reference"]): row for row in judged}
    pairs = blind_to_more(night.issue.learners)
    return [{**found[a, b], "ignored": ", ".join(names)} for a, b, names in pairs if (a, b) in found]


def _references(references: Table, since: date, until: date) -> pa.Table:
    """What outside policies earned over the days that the leading estimates are about."""
    rows = references.rows(since, until).group_by("policy")
    total = rows.aggregate([("impressions", "sum"), ("reward", "sum")])
    return total.rename_columns(["policy", "impressions", "reward"]).sort_by("policy")


def _fates(ds: date, tables: Tables) -> pa.Table:
    """How many outcomes of the day, by kind, were credited, or why not."""
    left = tables["unattributed"].rows(ds, ds)
    kinds, fates = [*left["kind"].chunks], [*left["reason"].chunks]
    credited_now = tables["credits"].snapshot()
    for file in credited_now.files(ds, ds):
        touches = credited_now.rows_of(file, ["outcome_id", "kind"])
        credited = touches.group_by(["outcome_id", "kind"]).aggregate([])["kind"].combine_chunks()
        kinds.append(credited)
        fates.append(pa.repeat("credited", len(credited)))
    columns = {"kind": pa.chunked_array(kinds, pa.string()), "fate": pa.chunked_array(fates, pa.string())}
    return counted(pa.table(columns), ["kind", "fate"], "outcomes")


def _sample(night: IssueNight, table: Table) -> pa.Table:
    """The first few slates of the day; none where a single user is too few."""
    slates = table.snapshot()
    files = slates.files(night.slate_date, night.slate_date) if night.program.min_cell == 1 else []
    rows = [slates.rows_of(file).slice(0, 1) for file in files[:_SAMPLE]]
    return pa.concat_tables([slates.to_arrow(date.max, date.max), *rows])


def _exposures(night: IssueNight, table: Table) -> list[dict[str, Any]]:
    """How many of tonight's slates have each arm in each slot, by slot and arm."""
    shown: Counter[tuple[int, str]] = Counter()
    published, slates = table.snapshot(), 0
    for file in published.files(night.slate_date, night.slate_date):
        ranking = published.rows_of(file, ["ranking"])["ranking"]
        slates += len(ranking)
        for slot in range(night.issue.slots):
            arms = pc.list_element(ranking, slot).value_counts()
            for arm, number in zip(
                arms.field("values").to_pylist(), arms.field("counts").to_pylist(), strict=True
            ):
                shown[slot + 1, arm] += number
    return [
        {"issue": night.issue.name, "arm_id": arm, "slot": slot, "shown": number, "slates": slates}
        for (slot, arm), number in sorted(shown.items())
    ]


def _shares(exposures: pa.Table) -> pa.Table:
    """Each arm's share of slates by slot."""
    share = pc.divide(exposures["shown"].cast(pa.float64()), exposures["slates"])
    return exposures.select(["arm_id", "slot"]).append_column("share", share)

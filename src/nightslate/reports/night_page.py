"""The page of a night: one HTML file that needs nothing but itself, for the analyst and who they show it to.

No script, no font, no address outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.policies.diversity import LEFT_OUT
from nightslate.reports import estimands, plots, reign_plots, sequence_plots
from nightslate.reports.controls import held_against
from nightslate.reports.delays import delays_by_kind
from nightslate.reports.document import Figure, figure, template
from nightslate.reports.epsilons import explored
from nightslate.reports.feature_drift import how_far
from nightslate.reports.insights import insights_told
from nightslate.reports.night_report import NightReport
from nightslate.reports.numbers import MINUS, Reward, count, percent, setting, short, signed, significant
from nightslate.reports.reigns import Heard, growths, heard
from nightslate.reports.sequence import SequenceFigures
from nightslate.reports.short_outcomes import came_soon
from nightslate.reports.uplift import help_judged
from nightslate.reports.wording import Check, evidence, headline, in_words, weight_checks

TOP_ARMS = 20
SHOWN_ARMS = 5
SHOWN_SEGMENTS = 20


@dataclass(frozen=True)
class _Issue:
    """What the page says about one issue: its headline, its charts, its tables."""

    name: str
    headline: str
    about: str
    progressive: bool
    values: list[dict[str, Any]]
    remarks: list[str]
    fitted_tonight: list[dict[str, Any]]
    about_tonight: str
    decisions: list[dict[str, Any]]
    undrawn: int
    heard: Heard | None
    logged: list[dict[str, Any]]
    health: list[tuple[str, tuple[Check, ...]]]
    values_chart: Figure | None
    differences_chart: Figure | None
    capital_chart: Figure | None
    weights_chart: Figure | None


@dataclass(frozen=True)
class _Sequence:
    """What the page says about one fitted_q learner: its largest segments, its foremost arms."""

    figures: SequenceFigures
    charts: dict[str, Figure | None]
    segments: list[dict[str, Any]]
    left_out: int
    shown_arms: list[str]


def page(report: NightReport) -> str:
    """The night as one HTML document."""
    slates = report.slates.to_pylist()
    html = template(
        "night.html.j2",
        count=count,
        percent=percent,
        setting=setting,
        significant=significant,
        signed=signed,
        words=in_words,
        evidence=evidence,
        day=day_in_words,
    )
    return html.render(
        report=report,
        reward=report.reward,
        issues=[_issue(report, issue) for issue in _issues(report)],
        references=_references(report.references),
        quarantine=report.quarantine.to_pylist(),
        left_out=_left_out(report),
        outcomes=report.outcomes.to_pylist(),
        quarantined=sum(report.quarantine["rows"].to_pylist()),
        rows=rows_of_tables(report.rows, report.rows_before),
        models=report.models.to_pylist(),
        slates=slates,
        shown_arms=min(SHOWN_ARMS, max((len(slate["ranking"]) for slate in slates), default=0)),
        exposure=_exposure(report.exposure),
        sequences=None if report.sequences is None else [_sequence(s, report) for s in report.sequences],
        ledger=report.ledger.sort_by("promoted_on").to_pylist(),
        explored=None if report.sweeps is None else explored(report.sweeps),
        held=None if report.controls is None else held_against(report.controls),
        soon=came_soon(report.evaluations) if report.short_kinds else None,
        helped=None if report.uplift is None else help_judged(report.uplift, report.champion, report.reward),
        insights=None
        if report.insights is None
        else insights_told(report.insights, report.reward, report.log_odds),
        delays=None if report.delays is None else delays_by_kind(report.delays.to_pylist()),
        drift=None if report.drift is None else how_far(report.drift),
        budgets=None if report.budgets is None else report.budgets.to_pylist(),
        contacts=report.contacts,
        sends=report.sends,
        experiment=report.experiment,
        issue_shares=None if report.issue_shares is None else report.issue_shares.to_pylist(),
    )


def _issues(report: NightReport) -> list[str]:
    rows = [*report.promotions.to_pylist(), *report.evaluations.to_pylist()]
    return list(dict.fromkeys(str(row["issue"]) for row in rows))


def _issue(report: NightReport, issue: str) -> _Issue:
    of_issue, promotions, terms, logged = (
        table.filter(pc.field("issue") == issue)
        for table in (report.evaluations, report.promotions, report.evidence, report.logged)
    )
    evaluations, tonight = estimands.leading(of_issue), estimands.cross_fitted(of_issue)
    rows, decisions, reward = evaluations.to_pylist(), promotions.to_pylist(), report.reward
    drawn = growths(terms, decisions)
    progressive = any(row["estimand"] == estimands.PROGRESSIVE for row in rows)
    marks = [plots.Mark("logged policy", row["value"], outside=False) for row in logged.to_pylist()]
    marks += [
        plots.Mark(f"{row['policy']} (outside, not evaluated)", row["value"], outside=True)
        for row in _references(report.references)
    ]
    return _Issue(
        name=issue,
        headline=headline(decisions, reward, report.margin, matured=any(row["n"] for row in rows)),
        about=_about(evaluations),
        progressive=progressive,
        values=[row for row in rows if row["reference"] is None],
        remarks=[*_of_fewer_days(rows), *_remarks(rows), *_made_by_one(rows, report.reward)],
        fitted_tonight=[row for row in tonight.to_pylist() if progressive and row["reference"] is None],
        about_tonight=_about(tonight),
        decisions=decisions,
        undrawn=sum(row["challenger"] in terms["policy"].to_pylist() for row in decisions) - len(drawn),
        heard=heard(terms),
        logged=logged.to_pylist(),
        health=[
            (row["policy"], weight_checks(row, report.min_ess, report.max_unsupported_share))
            for row in plots.one_per_policy(evaluations)
        ],
        values_chart=figure(
            plots.policy_values(evaluations, reward, marks),
            "Estimated value of each policy with its interval, beside the logged policy and outside"
            " references. The table below holds the same numbers.",
        ),
        differences_chart=figure(
            plots.differences(evaluations, reward, report.margin),
            "Each challenger's paired difference to the champion with its interval, against the gate's"
            " margin. The decisions stand in the table of the gate.",
        ),
        capital_chart=figure(
            reign_plots.capital(drawn),
            "What the evidence for each challenger was worth after each day shown, on an axis of logarithms,"
            " against what it takes: "
            + ", ".join(f"{row['challenger']} {evidence(row)}" for row in decisions)
            + ".",
        ),
        weights_chart=figure(
            plots.weights_health(evaluations),
            "Mean importance weight of each policy with its interval, against 1. The table below holds the"
            " same numbers.",
        ),
    )


def _of_fewer_days(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which policies had no models on some of the days that others are weighed on."""
    by_days: dict[str, dict[str, None]] = {}
    most = max((row["n"] for row in rows), default=0)
    for row in rows:
        if row["reference"] is None and row["n"] < most:
            by_days.setdefault(estimands.days(row), {})[row["policy"]] = None
    return [
        f"{', '.join(policies)}: had models for what was shown {days} alone."
        " The other lines are about more days"
        for days, policies in by_days.items()
    ]


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What there is to say of intervals, and of which lines."""
    by_remark: dict[str, list[str]] = {}
    for row in rows:
        if row["remark"]:
            reference = f" {MINUS} {row['reference']}" if row["reference"] else ""
            by_remark.setdefault(row["remark"], []).append(
                f"{row['policy']}{reference} by {row['estimator'].upper()}"
            )
    return [f"{', '.join(lines)}: {remark}" for remark, lines in by_remark.items()]


def _made_by_one(rows: Sequence[Mapping[str, Any]], reward: Reward) -> list[str]:
    """Which impressions, decisions or trajectories make an estimate by themselves, and which estimates."""
    by_unit: dict[str, list[str]] = {}
    for row in rows:
        if row["made_by"]:
            moves, others = reward.difference(row["moves"]), reward.value(row["stderr_of_others"])
            by_unit.setdefault(row["made_by"], []).append(
                f"{row['policy']} by {row['estimator'].upper()}: {moves} (the standard error of all others is"
                f" {others})"
            )
    return [
        f"{short(unit)} alone moves {', '.join(lines)}. Look at it in the logs before you trust these"
        for unit, lines in by_unit.items()
    ]


def _about(evaluations: pa.Table) -> str:
    """Whose values these rows are, which are all of one estimand."""
    rows = evaluations.slice(0, 1).to_pylist()
    return estimands.in_words(rows[0]) if rows else ""


def _sequence(figures: SequenceFigures, report: NightReport) -> _Sequence:
    largest = sorted(figures.segments, key=lambda row: -row["decisions"])[:SHOWN_SEGMENTS]
    segments = [row for row in figures.segments if row in largest]
    recommended = Counter[str]()
    for row in segments:
        recommended[row["recommended"]] += row["decisions"]
    foremost = sorted(figures.arms, key=lambda arm: -recommended[arm])[:SHOWN_ARMS]
    charts = sequence_plots.charts(figures, report.reward.name)
    return _Sequence(
        figures=figures,
        charts={name: figure(chart, sequence_plots.ALTERNATIVES[name]) for name, chart in charts.items()},
        segments=segments,
        left_out=len(figures.segments) - len(segments),
        shown_arms=sorted(foremost, key=figures.arms.index),
    )


def _exposure(shares: pa.Table) -> dict[str, Any]:
    totals = list(plots.exposure_totals(shares.to_pylist()).items())
    slots = len(shares["slot"].unique())
    beyond = sum(share for _, share in totals[TOP_ARMS:])
    return {
        "arms": len(totals),
        "slots": slots,
        "beyond": max(0, len(totals) - TOP_ARMS),
        "beyond_share": beyond / slots if slots else 0.0,
        "chart": figure(
            plots.exposure(shares, TOP_ARMS),
            "The arms most shown: "
            + ", ".join(f"{short(arm)} in {percent(share)} of slates" for arm, share in totals[:TOP_ARMS]),
        ),
    }


def _left_out(report: NightReport) -> dict[str, Any] | None:
    """How many impressions were of diversified slates of which too many arms were dropped, and which share of
    the day's; None where there are none."""
    impressions = report.quarantine.filter(pc.field("log") == "impressions")
    lost = sum(impressions.filter(pc.field("reason") == LEFT_OUT)["rows"].to_pylist())
    landed = report.rows.get("impressions", 0) + sum(impressions["rows"].to_pylist())
    return {"rows": lost, "share": lost / landed} if lost else None


def _references(references: pa.Table) -> list[dict[str, Any]]:
    """Outside policies that showed anything, with their mean reward."""
    return [
        {**row, "value": row["reward"] / row["impressions"]}
        for row in references.to_pylist()
        if row["impressions"]
    ]


def rows_of_tables(rows: Mapping[str, int], before: Mapping[str, int] | None) -> list[dict[str, Any]]:
    """How many rows each table has, and how many more than the night before."""
    return [
        {
            "table": table,
            "rows": number,
            "change": number - before[table] if before is not None and table in before else None,
        }
        for table, number in rows.items()
    ]


def day_in_words(day: date) -> str:
    """With its weekday."""
    return f"{day:%A} {day.day} {day:%B %Y}"

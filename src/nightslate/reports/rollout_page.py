"""The page of a night of a rollout: one HTML file that needs nothing but itself, for whoever answers for it.

No script, no font, no address outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports import rollout_plots as plots
from nightslate.reports.document import Figure, figure, template
from nightslate.reports.night_page import day_in_words, rows_of_tables
from nightslate.reports.numbers import count, finite, percent, setting, signed, significant
from nightslate.reports.rollout_events import (
    by_day,
    by_signals,
    events,
    moved_to,
    signalled,
    whole,
    why,
)
from nightslate.reports.rollout_report import RolloutReport
from nightslate.reports.rollout_users import (
    APART,
    CAUSES,
    causes,
    contexts,
    part_of,
    reasons,
    total,
    user,
)
from nightslate.reports.terminal import PLAIN
from nightslate.reports.wording import in_words

SHOWN_EVENTS = 12

Row = Mapping[str, Any]

_TOLD_FIRST = ("signal", "rule", "score")
"""Those of them that are told on the first screen."""


@dataclass(frozen=True)
class _Tonight:
    """What the controller did to one treatment. row: of everyone; signals: what they do, with their names."""

    name: str
    row: Row
    headline: str
    why: str
    signals: list[tuple[str, str]]


@dataclass(frozen=True)
class _Effect:
    """One metric over nights."""

    metric: str
    about: str
    chart: Figure | None


def page(report: RolloutReport) -> str:
    """The night as one HTML document."""
    tonight = [_tonight(report, name) for name in report.treatments]
    of_day = _of(report.shares, report.slates_date)
    of_all = _part(of_day, "all")
    happened = events(report.rollouts, report.stops, report.treatments)
    apart = causes(of_day, "apart", report.treatments)
    everyone = {each.name: each.row["share"] for each in tonight}
    html = template(
        "rollout.html.j2",
        count=count,
        percent=percent,
        setting=setting,
        significant=significant,
        signed=signed,
        words=in_words,
        day=day_in_words,
        whole=whole,
        part_of=part_of,
        cause=CAUSES.__getitem__,
        because=APART.__getitem__,
    )
    return html.render(
        report=report,
        tonight=tonight,
        limits=tonight[0].row,
        experiment=report.experiment,
        variants=[of_all[name] for name in (report.control, *report.treatments) if name in of_all],
        of_all=of_all,
        moved=total(row["came"] for row in of_all.values()),
        timeline=figure(
            plots.shares_over_days(
                report.shares.filter(pc.field("part") == "all"), report.rollouts, happened, report.treatments
            ),
            "Shares of each treatment over days, with what happened above them: "
            + ("; ".join(f"{each.day} {each.what}" for each in happened[:SHOWN_EVENTS]) or "nothing so far")
            + ".",
        ),
        happened=happened[:SHOWN_EVENTS],
        earlier=max(0, len(happened) - SHOWN_EVENTS),
        effects=[*_effects(report)],
        shares_chart=figure(
            plots.shares_tonight(of_all, everyone),
            "How many users have which share of each treatment; "
            + "; ".join(
                f"{name}: mean {percent(of_all[name]['share'])}" for name in everyone if name in of_all
            )
            + ".",
        ),
        asked_chart=figure(
            plots.asked_tonight(of_all, tonight[0].row["range"], report.treatments),
            "By how much scores ask to move shares. The table of contexts has mean scores.",
        ),
        models=[_judged(row) for row in _foremost_first(report.models)],
        changes=causes(of_day, "change", report.treatments),
        apart=apart,
        off_baseline=[row for row in apart if row["cause"] in _TOLD_FIRST],
        contexts=[contexts(of_day, each.name, everyone[each.name]) for each in tonight],
        reasons=[side for each in tonight for side in reasons(report.contributions, each.name)],
        users=[user(row, report) for row in report.users],
        signals=report.signals.sort_by([("starts_at", "descending")]).to_pylist()[:SHOWN_EVENTS],
        stops=report.stops.sort_by([("decided_at", "descending")]).to_pylist()[:SHOWN_EVENTS],
        quarantine=report.quarantine.to_pylist(),
        rows=rows_of_tables(report.rows, report.rows_before),
    )


def _tonight(report: RolloutReport, treatment: str) -> _Tonight:
    rows = by_day(report.rollouts)[report.slates_date]
    mine = {region: row for (variant, region), row in rows.items() if variant == treatment}
    row = mine[None]
    return _Tonight(
        name=treatment,
        row=row,
        headline=f"{_users_in(report, treatment)}: {moved_to(row, 'its baseline')}",
        why=why(row),
        signals=[(signalled(each), by_signals(each)) for each in mine.values() if each["signal"]],
    )


def _users_in(report: RolloutReport, treatment: str) -> str:
    of_all = _part(_of(report.shares, report.slates_date), "all").get(treatment)
    if of_all is None:
        return f"nobody is in {treatment} tomorrow"
    return f"{percent(of_all['drawn'] / of_all['users'])} of users are in {treatment} tomorrow"


def _effects(report: RolloutReport) -> list[_Effect]:
    """The metric that is decided by first, then guardrails."""
    margins = {each.metric: each for each in report.guardrails if each.metric != report.foremost}
    found = []
    for metric in (report.foremost, *margins):
        rows = _most_precise(report.readouts.filter(pc.field("metric") == metric))
        guardrail = margins.get(metric)
        margin = None if guardrail is None else guardrail.margin * (1 if guardrail.worse == "higher" else -1)
        last = [row for row in rows if row["ds"] == report.ds and finite(row["effect"])]
        said = "; ".join(
            f"{row['variant']} {PLAIN.difference(row['effect'])},"
            f" {PLAIN.difference_interval(row['anytime_lower'], row['anytime_upper'])} at every look"
            for row in last
        )
        about = (
            "decided by"
            if guardrail is None
            else f"may not get {guardrail.worse} by more than {setting(guardrail.margin)}"
        )
        chart = plots.effect_over_nights(rows, margin)
        found.append(
            _Effect(
                metric,
                about,
                figure(chart, f"The effect on {metric} over nights. Tonight: {said or 'none yet'}."),
            )
        )
    return found


def _most_precise(readouts: pa.Table) -> list[dict[str, Any]]:
    """One row a night and treatment, by the method that is most precise."""
    best: dict[tuple[date, str], dict[str, Any]] = {}
    for row in readouts.sort_by([("ds", "ascending"), ("method", "descending")]).to_pylist():
        best[row["ds"], row["variant"]] = row  # "difference", "cuped", "aipw"
    return list(best.values())


def _judged(row: Row) -> dict[str, Any]:
    """A model of effects, and whether what it predicts comes: whether 1 is among the slopes that go with what
    came."""
    slope, stderr = row["slope"], row["slope_stderr"]
    known = finite(slope) and finite(stderr)
    reach = 1.96 * stderr if known else 0.0
    return {
        **row,
        "fine": (slope - reach <= 1 <= slope + reach) if known else None,
        "slopes": PLAIN.interval(slope - reach, slope + reach) if known else PLAIN.interval(None, None),
        "earns": PLAIN.difference(row["value"]),
        "earns_between": PLAIN.difference_interval(row["anytime_lower"], row["anytime_upper"]),
    }


def _foremost_first(models: pa.Table) -> list[dict[str, Any]]:
    rows = models.to_pylist()
    return sorted(rows, key=lambda row: (not row["leads"], row["model"], row["variant"]))


def _of(rows: pa.Table, day: date) -> pa.Table:
    return rows.filter(pc.equal(rows["slate_date"], pa.scalar(day, pa.date32())))


def _part(shares: pa.Table, part: str) -> dict[str, dict[str, Any]]:
    """Its rows by variant."""
    return {row["variant"]: row for row in shares.filter(pc.field("part") == part).to_pylist()}

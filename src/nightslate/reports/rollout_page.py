"""The page of a night of a rollout: one HTML file that needs nothing but itself, for whoever answers for it.

No script, no font, no address outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.small_cells import OTHERS
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
from nightslate.reports.terminal import PLAIN
from nightslate.reports.wording import in_words

SHOWN_EVENTS, SHOWN_CONTEXTS = 12, 24

Row = Mapping[str, Any]

CAUSES = {
    "same": "nothing: their shares are those of the day before",
    "new": "they are new, and were assigned for the first time",
    "absent": "they were not there today, and keep what they had",
    "stopped": "a treatment was stopped",
    "signal": "a signal from outside",
    "rule": "a rule of the program",
    "everyone": "the baseline changed",
    "score": "what a treatment is expected to do to them",
    OTHERS: "one of several causes, each of few users",
    "return": "they are on the way back, by so much a night as the range allows",
}
"""Why shares changed."""

APART = {**CAUSES, "everyone": "nothing: they are at the baseline"}
"""Why they are off the baseline."""
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
class _Contexts:
    """One treatment by what is known of users, the farthest from the baseline first."""

    name: str
    everyone: float
    rows: list[dict[str, Any]]
    left_out: int
    chart: Figure | None


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
    apart = _causes(of_day, "apart", report.treatments)
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
        part_of=_part_of,
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
        moved=_total(row["came"] for row in of_all.values()),
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
        changes=_causes(of_day, "change", report.treatments),
        apart=apart,
        off_baseline=[row for row in apart if row["cause"] in _TOLD_FIRST],
        contexts=[_contexts(of_day, each) for each in tonight],
        users=[_user(row, report) for row in report.users],
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


def _causes(shares: pa.Table, part: str, treatments: Sequence[str]) -> list[dict[str, Any]]:
    """By cause, the most users first: how many, and by treatment how many came and left, and mean shares."""
    found: dict[str, dict[str, Any]] = {}
    for row in shares.filter(pc.field("part") == part).to_pylist():
        cause = row["segment_value"]
        of_cause = found.setdefault(cause, {"cause": cause, "users": row["users"], "came": [], "by": {}})
        of_cause["came"].append(row["came"])
        if row["variant"] in treatments:
            of_cause["by"][row["variant"]] = row
    rows = [{**row, "moved": _total(row["came"])} for row in found.values()]
    return sorted(rows, key=lambda row: (-(row["moved"] or 0), -row["users"], row["cause"]))


def _contexts(shares: pa.Table, tonight: _Tonight) -> _Contexts:
    everyone = tonight.row["share"]
    mine = shares.filter((pc.field("part") == "segment") & (pc.field("variant") == tonight.name)).to_pylist()
    rows = [
        {
            **row,
            "label": f"{row['segment']} {row['segment_value'] or 'missing'}",
            "difference": row["share"] - everyone,
            "at_risk": _part_of(row["below"], row["scored"]),
        }
        for row in mine
    ]
    rows.sort(key=lambda row: (-abs(row["difference"]), row["label"]))
    shown = rows[:SHOWN_CONTEXTS]
    said = ", ".join(f"{row['label']} {percent(row['share'])}" for row in shown)
    return _Contexts(
        name=tonight.name,
        everyone=everyone,
        rows=shown,
        left_out=len(rows) - len(shown),
        chart=figure(plots.shares_by_context(shown, everyone), f"Mean share of {tonight.name}: {said}."),
    )


def _user(row: Row, report: RolloutReport) -> dict[str, Any]:
    """A user whose row explains itself. Names of variants are those of lists, in order."""
    places = {name: at for at, name in enumerate(sorted((report.control, *report.treatments)))}
    of_treatments = [
        {
            "name": name,
            "share": row["shares"][places[name]],
            "before": row["shares_before"][places[name]],
            "score": row["scores"][places[name]],
        }
        for name in report.treatments
    ]
    return {**row, "user": row["user_id"][:8], "treatments": of_treatments}


def _total(counts: Iterable[int | None]) -> int | None:
    """None where one of them is not told."""
    known = list(counts)
    return None if None in known else sum(each for each in known if each is not None)


def _part_of(count: int | None, total: int | None) -> float | None:
    return None if count is None or not total else count / total


def _of(rows: pa.Table, day: date) -> pa.Table:
    return rows.filter(pc.equal(rows["slate_date"], pa.scalar(day, pa.date32())))


def _part(shares: pa.Table, part: str) -> dict[str, dict[str, Any]]:
    """Its rows by variant."""
    return {row["variant"]: row for row in shares.filter(pc.field("part") == part).to_pylist()}

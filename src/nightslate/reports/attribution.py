"""What `nightslate attribute` prints: who was credited with what, what was not credited and why, how late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nightslate.files.attribution.attribute import Summary
from nightslate.files.attribution.summary import KindTally
from nightslate.reports.numbers import MISSING, count, percent, setting, significant
from nightslate.reports.terminal import add_row, table_of
from nightslate.reports.wording import in_words

SHOWN_ARMS = 10
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}
MEANS = {
    "not_valued": "no --value says what its kind is worth",
    "unnamed": "it lacks the arm_id or impression_id that --match goes by",
    "before_impression": "it names an impression that is later, by more than --skew: a bad row",
    "no_impression": "nothing that matches was shown before it",
    "late": "what matches was shown before the window",
    "too_many": "its user has more outcomes on that day than are looked at",
    "capped": "its user had reached --cap on that day",
}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def attribution_report(summary: Summary) -> RenderableType:
    """Everything that the terminal shows."""
    tally = summary.tally
    parts: list[RenderableType] = [_heading(summary), "", _by_kind(summary)]
    if tally.reasons:
        parts += ["", _by_reason(tally.reasons, summary)]
    if tally.arms:
        parts += ["", _by_arm(summary)]
    for path, copies in summary.copies.items():
        if copies:
            rows = "row is an exact copy" if copies == 1 else "rows are exact copies"
            parts += ["", Text(f"{count(copies)} {rows} of others in {path}: each counts once")]
    return Group(*parts)


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON has it: every arm, the most credit first; lags in seconds."""
    tally = summary.tally
    return {
        "rule": summary.attributor.rule.name,
        "match": summary.attributor.match,
        "impressions": {"rows": summary.impressions, "of_users_with_outcomes": summary.near},
        "outcomes": {
            "rows": summary.outcomes,
            "credited": sum(kind.credited for kind in tally.kinds.values()),
            "unattributed": tally.reasons,
        },
        "credits": tally.touches,
        "credit": sum(kind.credit for kind in tally.kinds.values()),
        "kinds": {
            name: {
                "outcomes": kind.outcomes,
                "credited": kind.credited,
                "unattributed": dict(kind.reasons),
                "credit": kind.credit,
                "lag_seconds": {key: kind.lag(share) for key, share in QUANTILES.items()},
            }
            for name, kind in sorted(tally.kinds.items())
        },
        "arms": {
            arm: {"credit": found.credit, "touches": found.touches} for arm, found in tally.arms_by_credit
        },
        "copies": summary.copies,
        "rejected": summary.refused,
        "notes": list(summary.notes),
    }


def duration(seconds: float | None) -> str:
    """In the largest unit of which there is one."""
    if seconds is None:
        return MISSING
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{significant(seconds / size)} {unit}"
    return "under 1 s"


def span(chosen: timedelta) -> str:
    """A duration that somebody chose, in the largest unit in which it is whole."""
    seconds = chosen.total_seconds()
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{setting(seconds / size)} {unit}"


def _heading(summary: Summary) -> Text:
    tally, attributor = summary.tally, summary.attributor
    outcomes = sum(kind.outcomes for kind in tally.kinds.values())
    credited = sum(kind.credited for kind in tally.kinds.values())
    credit = significant(sum(kind.credit for kind in tally.kinds.values()))
    share = percent(credited / outcomes)
    return Text(
        f"{in_words(attributor.rule.name)} by {in_words(attributor.match)}, {span(attributor.window)} window:"
        f" {count(credited)} of {count(outcomes)} outcomes ({share}) credited, {credit} in all\n"
        f"{count(summary.near)} of {count(summary.impressions)} impressions are of users with outcomes; "
        f"{count(tally.touches)} credits"
    )


def _by_kind(summary: Summary) -> Table:
    table = table_of("kind", ">outcomes", ">credited", ">share", ">credit", ">median lag", ">90 % within")
    for name, kind in sorted(summary.tally.kinds.items(), key=lambda item: (-item[1].credit, item[0])):
        add_row(table, name, *_figures(kind))
    return table


def _figures(kind: KindTally) -> tuple[str, ...]:
    return (
        count(kind.outcomes),
        count(kind.credited),
        percent(kind.credited / kind.outcomes),
        significant(kind.credit),
        duration(kind.lag(0.5)),
        duration(kind.lag(0.9)),
    )


def _by_reason(reasons: dict[str, int], summary: Summary) -> Table:
    outcomes = sum(kind.outcomes for kind in summary.tally.kinds.values())
    table = table_of("without credit", ">outcomes", ">share", "because")
    for reason, rows in reasons.items():
        add_row(table, in_words(reason), count(rows), percent(rows / outcomes), MEANS[reason])
    return table


def _by_arm(summary: Summary) -> Table:
    """The first arms by credit; how many more there are stands below."""
    total = sum(arm.credit for arm in summary.tally.arms.values())
    table = table_of("arm", ">credit", ">share", ">credits", ">credit each")
    arms = summary.tally.arms_by_credit
    for name, arm in arms[:SHOWN_ARMS]:
        share = percent(arm.credit / total) if total else MISSING
        each = significant(arm.credit / arm.touches)
        add_row(table, name, significant(arm.credit), share, count(arm.touches), each)
    more = len(arms) - SHOWN_ARMS
    table.caption = f"{count(more)} more arms: --json names all" if more > 0 else None
    table.caption_justify = "left"
    return table

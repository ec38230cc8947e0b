"""What the terminal prints of an experiment whose shares follow the context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group

from nightslate.models.effect_files import Contribution
from nightslate.reports.numbers import count, percent, signed, significant
from nightslate.reports.terminal import add_row, plain, table_of

_LARGEST = 4
"""Features that are told of an effect."""

Row = Mapping[str, Any]
Users = Counter[tuple[str, str]]
"""How many, by region and variant."""


@dataclass(frozen=True)
class Explained:
    """Of a user: the row of `assignments`, that of the day before (None of one who came anew), the rows of
    `scores`, what features add to effects, the largest first, the rules that hold for the user, and the rows
    of `rollouts` of the user's region."""

    row: Row
    before: Row | None
    scores: Sequence[Row]
    contributions: Sequence[Contribution]
    rules: Sequence[str]
    allowed: Sequence[Row]


@dataclass(frozen=True)
class WhatIf:
    """Rows of `rollouts` as they are and as they would be; users as they are assigned and as they would be;
    how many would move; what of the signals is not heeded, in words."""

    allowed: Sequence[Row]
    would_be: Sequence[Row]
    users: Users
    users_then: Users
    moved: int
    unheeded: Sequence[str]


def told_of_user(found: Explained) -> Group:
    """From what everyone may have to the draw, in the order in which it came about."""
    row, variants = found.row, sorted(each["variant"] for each in found.allowed)
    shares = dict(zip(variants, row["shares"], strict=True))
    chances = dict(zip(variants, row["probabilities"], strict=True))
    then = dict(zip(variants, found.before["shares"], strict=True)) if found.before else {}
    score_of = {each["variant"]: each for each in found.scores}
    table = table_of(
        "variant", ">everyone", ">benefit", ">harm", ">score", ">share before", ">share", ">chance of today"
    )
    for each in sorted(found.allowed, key=lambda one: one["variant"]):
        name = each["variant"]
        score = score_of.get(name, {})
        add_row(
            table,
            name,
            percent(each["share"]),
            signed(significant(score["benefit"])) if score else None,
            signed(significant(score["harm"])) if score else None,
            signed(significant(score["score"])) if score else None,
            percent(then[name]) if then else None,
            percent(shares[name]),
            percent(chances[name]),
        )
    limits = found.allowed[0]
    lines = [
        f"{row['slate_date']}: {row['variant']}, {row['reason']} on {row['since']}, drawn with probability"
        f" {significant(row['probability'])} given the days before",
        f"a score of {significant(limits['risk_tolerance'])} leaves everyone's share; 1 more moves it by"
        f" {significant(limits['scale'])}, by {significant(limits['range'])} at most; no share is under"
        f" {significant(limits['floor'])}, and one that is off by no more than"
        f" {significant(limits['least_move'])} stays",
        *([] if found.scores else ["there is no score of this user: the share is everyone's"]),
        *_told(found.contributions),
        *(f"rule: {rule}" for rule in found.rules),
        *(f"signal: {_signals(each)}" for each in found.allowed[:1] if each["signal"]),
    ]
    return Group(plain(lines[0]), table, *map(plain, lines[1:]))


def _told(contributions: Sequence[Contribution]) -> list[str]:
    """The largest of each effect, in a line."""
    by_effect: dict[tuple[str, str], list[Contribution]] = {}
    for each in contributions:
        by_effect.setdefault((each.metric, each.variant), []).append(each)
    return [
        f"{metric} of {variant}, beside somebody average: "
        + ", ".join(
            f"{each.feature} {signed(significant(each.value))}" for each in largest[:_LARGEST] if each.value
        )
        for (metric, variant), largest in by_effect.items()
    ]


def told_of_all(allowed: Sequence[Row]) -> Group:
    """What the controller allows, and why."""
    table = table_of("variant", "region", ">before", ">share", "why")
    for row in allowed:
        before = None if row["before"] is None else percent(row["before"])
        why = f"{row['reason']}; {_signals(row)}" if row["signal"] else row["reason"]
        add_row(table, row["variant"], row["region"] or "all others", before, percent(row["share"]), why)
    return Group(plain(f"{allowed[0]['slate_date']}" if allowed else "nothing is allowed yet"), table)


def told_if(found: WhatIf) -> Group:
    """What would be another thing."""
    table = table_of("region", "variant", ">users", ">they would be")
    for region, variant in sorted({*found.users, *found.users_then}):
        now, then = found.users[region, variant], found.users_then[region, variant]
        add_row(table, region, variant, count(now), count(then))
    known = {row["region"]: row["signal"] for row in found.allowed}
    changed = {
        f"{row['region'] or 'all regions'}: {_signals(row)}": None
        for row in found.would_be
        if row["signal"] and known.get(row["region"], known[None]) != row["signal"]
    }
    said = [*changed] or ["the signals change nothing"]
    return Group(
        *map(plain, [*said, *found.unheeded]), table, plain(f"{count(found.moved)} users would move")
    )


_DONE = {
    "reduce": "shares of treatments are multiplied by {factor:g}",
    "hold": "no share changes",
    "stop": "nobody has a treatment",
}


def _signals(row: Row) -> str:
    """What signals do to users of a region, and which."""
    return f"{_DONE[row['signal']].format(factor=row['factor'])}, for {', '.join(row['signals'])}"

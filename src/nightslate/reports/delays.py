"""How late rewards come, and where that is not what weighting young impressions takes for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightslate.reports.numbers import MISSING, short, significant

NAMED_ARMS = 5


@dataclass(frozen=True)
class KindDelays:
    """A kind, how long half of its credit takes, and the warnings about it."""

    kind: str
    credits: str
    median: str
    warnings: tuple[str, ...]


def delays_by_kind(rows: Sequence[Mapping[str, Any]]) -> list[KindDelays]:
    """What the table `delays` says, kind by kind."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    return [_of_kind(kind, of_kind) for kind, of_kind in sorted(kinds.items())]


def _of_kind(kind: str, rows: Sequence[Mapping[str, Any]]) -> KindDelays:
    by_part = {row["part"]: row for row in rows if row["part"] != "arm"}
    arms = [row for row in rows if row["part"] == "arm" and row["differs"]]
    whole = by_part["all"]
    return KindDelays(
        kind=kind,
        credits=significant(whole["credits"]),
        median=_days(whole["median_days"]),
        warnings=(*_of_arms(kind, arms, whole), *_of_worth(kind, by_part), *_of_losses(kind, by_part)),
    )


def _of_arms(kind: str, arms: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> Iterator[str]:
    if not arms:
        return
    foremost = sorted(arms, key=lambda row: (-abs(row["later"]), row["arm_id"]))[:NAMED_ARMS]
    named = ", ".join(
        f"{short(arm['arm_id'])} {_later(arm)} (half within {_days(arm['median_days'])})" for arm in foremost
    )
    more = f", and {len(arms) - NAMED_ARMS} more in the table delays" if len(arms) > NAMED_ARMS else ""
    yield (
        f"Some arms earn {kind} later or sooner than all (half within {_days(whole['median_days'])}): {named}"
        f"{more}. Each arm is weighed by its own delays, one with few credits still by those of all: it looks"
        " worse than it is if it earns later."
    )


def _of_worth(kind: str, by_part: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    number = by_part.get("number")
    if number is not None and number["differs"]:
        yield (
            f"Large credits of {kind} come later than small ones: half of the credits within"
            f" {_days(number['median_days'])}, half of what they are worth within"
            f" {_days(by_part['all']['median_days'])}. Who earns large ones looks worse than they are while"
            " impressions are young: make large and small ones two kinds, or take rewards.maturity: exclude."
        )


def _of_losses(kind: str, by_part: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    losses, gains = by_part.get("losses"), by_part.get("gains")
    if losses is not None and gains is not None and losses["differs"]:
        yield (
            f"Losses of {kind} come {_later(losses)} than its gains: half of them within"
            f" {_days(losses['median_days'])}, of the gains within {_days(gains['median_days'])}."
            f" Rewards of young impressions are too {'high' if losses['later'] > 0 else 'low'}: make losses a"
            " kind of their own, or take rewards.maturity: exclude."
        )


def _later(row: Mapping[str, Any]) -> str:
    return "later" if row["later"] > 0 else "sooner"


def _days(days: float | None) -> str:
    return MISSING if days is None else f"{significant(days, 2)} days"

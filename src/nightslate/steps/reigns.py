"""The reigns of champions, as the nights of a program recorded them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Recorded:
    """`began`: the night that made it champion, or of whose making nothing is recorded the first one that it
    had; None of the first champion. `looks`: how often the gate has looked while it reigned."""

    champion: str
    began: date | None
    looks: int = 0


def recorded_reigns(looks: pa.Table, first_champion: str) -> list[Recorded]:
    """Rows of `promotions`, in any order, as reigns in order, the last one that of the last night's champion.

    A night's champion is the one that a night before it left. Nights that left another by now, for they were
    run, or run again, after those that follow them, moved nothing and are passed over."""
    nights = {row["ds"]: row for row in looks.to_pylist()}
    chain: list[dict[str, Any]] = []
    for _, night in sorted(nights.items(), reverse=True):
        if not chain or night["champion_after"] == chain[-1]["champion_before"]:
            chain.append(night)
    if not chain:
        return [Recorded(first_champion, None)]
    first = chain[-1]
    begun = None if first["champion_before"] == first_champion else first["ds"]
    reigns = [Recorded(first["champion_before"], begun)]
    for night in reversed(chain):
        reigns[-1] = replace(reigns[-1], looks=reigns[-1].looks + 1)
        if night["champion_after"] != reigns[-1].champion:
            reigns.append(Recorded(night["champion_after"], night["ds"]))
    return reigns

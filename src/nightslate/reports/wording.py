"""What the figures say, in words: the headline of the night, and whether the weights look healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightslate.core.estimators.diagnostics import Thresholds, near_1, needed
from nightslate.reports.numbers import MISSING, Reward, count, finite, percent, setting, significant


@dataclass(frozen=True)
class Check:
    """One figure about importance weights: what it is, as text, and whether it is as it should be."""

    name: str
    text: str
    fine: bool | None  # None: there is nothing to judge


def headline(promotions: Sequence[Mapping[str, Any]], reward: Reward, margin: float, *, matured: bool) -> str:
    """One sentence on the gate's decisions of one issue."""
    if not promotions:
        return (
            "No challenger was judged tonight"
            if matured
            else "Nothing to judge tonight: no reward has matured yet"
        )
    bar = reward.difference(margin)
    champion = promotions[0]["champion_before"]
    for row in promotions:
        if row["decision"] == "promoted":
            bound = reward.difference(row["lower"])
            return f"{row['champion_after']} replaces {champion}: its lower bound {bound} clears {bar}"
    best = max(promotions, key=lambda row: row["lower"] if finite(row["lower"]) else float("-inf"))
    stays = f"Champion stays {champion}"
    if not finite(best["lower"]) or best["lower"] > margin:
        return f"{stays}: {best['challenger']} — {'; '.join(map(in_words, best['reasons'])) or 'not judged'}"
    bound = reward.difference(best["lower"])
    return f"{stays}: {best['challenger']}'s lower bound {bound} does not clear {bar}"


def in_words(reason: str) -> str:
    """An enum's value as words; a sentence stays as it is."""
    return reason.replace("_", " ") if reason.replace("_", "").isalnum() else reason


def weight_checks(row: Mapping[str, Any], min_ess: float, max_unsupported_share: float) -> tuple[Check, ...]:
    """The health of one policy's importance weights, from its row of evaluations."""
    n, mean, ess = row["n"], row["mean_weight"], row["ess"]
    low, high = row["mean_weight_lower"], row["mean_weight_upper"]
    heaviest, unsupported = row["max_weight"], row["unsupported_share"]
    one_expected = near_1(mean, low, high) if finite(low) and finite(high) else None
    most = Thresholds().max_weight_share
    spread = heaviest <= most * n * mean if finite(heaviest) and finite(mean) and n else None
    interval = f" ({significant(low)} to {significant(high)})" if one_expected is not None else ""
    of_n = f" ({percent(ess / n)} of n)" if finite(ess) and n else ""
    if n and finite(ess) and 0 < ess < min_ess:
        of_n += f"; {setting(min_ess)} take about {count(needed(n, ess, min_ess))}"
    return (
        Check("mean weight", f"{significant(mean)}{interval}", one_expected),
        Check("effective samples", f"{significant(ess)}{of_n}", ess >= min_ess if finite(ess) else None),
        Check("largest weight", significant(heaviest), spread),
        Check("unsupported", percent(unsupported) if finite(unsupported) else MISSING,
              unsupported <= max_unsupported_share if finite(unsupported) else None),
    )  # fmt: skip

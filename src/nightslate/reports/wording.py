"""What the figures say, in words: the headline of the night, and whether the weights look healthy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightslate.core.ope.diagnostics import Thresholds, near_1, needed
from nightslate.reports.numbers import MISSING, Reward, count, finite, percent, setting, significant

LEAST_WORTH, MOST_WORTH = 0.001, 1_000_000
"""A capital beyond them is told as that."""


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
    champion = promotions[0]["champion_before"]
    for row in promotions:
        if row["decision"] == "promoted":
            better = f"better by more than {reward.difference(margin)}" if margin else "better"
            what = f"{row['challenger']} replaces {champion}: the evidence that it is {better}"
            return f"{what} is worth {worth(row['log_capital'])}, and {_needed(row)} was needed"
    stays = f"Champion stays {champion}"
    nearest = max(promotions, key=_over_what_is_needed)
    if not nearest["cohorts"]:
        return f"{stays}: there is no evidence on any challenger yet"
    if _over_what_is_needed(nearest) < 0:
        return f"{stays}: the evidence for {nearest['challenger']} is {evidence(nearest)}"
    but = "; ".join(map(in_words, nearest["reasons"]))
    return f"{stays}: {nearest['challenger']} has the evidence that it needs, but {but}"


def evidence(row: Mapping[str, Any]) -> str:
    """What the evidence of a row of promotions is worth, of what it takes."""
    if not row["cohorts"]:
        return "none yet"
    suffices = _over_what_is_needed(row) >= 0
    return f"worth {worth(row['log_capital'])}{',' if suffices else ' of'} {_needed(row)} needed"


def worth(log_capital: float | None) -> str:
    """A capital as people read it, from its natural logarithm, however small or large."""
    if log_capital is None or math.isnan(log_capital):
        return MISSING
    if log_capital > math.log(MOST_WORTH):
        return f"over {count(MOST_WORTH)}"
    if log_capital < math.log(LEAST_WORTH):
        return f"under {setting(LEAST_WORTH)}"
    return significant(math.exp(log_capital))


def _needed(row: Mapping[str, Any]) -> str:
    return significant(1 / row["alpha"])


def _over_what_is_needed(row: Mapping[str, Any]) -> float:
    """By which factor the evidence is over what it takes, as a logarithm."""
    if not row["cohorts"]:
        return -math.inf
    return float(row["log_capital"] + math.log(row["alpha"]))


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

"""Attribution in plain Python, one outcome at a time, straight from the words of docs and contracts.

Slow and obvious: what the kernel is held against. Rows are dictionaries of the columns of the tables."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]

NONE = timedelta(0)


@dataclass(frozen=True)
class Terms:
    """What a program says under `rewards`, with the same defaults."""

    rule: str = "last_touch"
    half_life: timedelta | None = None
    max_touches: int = 100
    match: str = "closest"
    window: timedelta = timedelta(days=14)
    values: Mapping[str, float] | None = None
    windows: Mapping[str, timedelta] = field(default_factory=dict)
    matches: Mapping[str, str] = field(default_factory=dict)
    decay: timedelta | None = None
    cap: float | None = None
    max_outcomes: int = 1000
    skew: timedelta = NONE
    topics: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Attributed:
    """`credits`: the rows, by (outcome_id, impression_id); `unattributed`: the rows, by outcome_id."""

    credits: dict[tuple[str, str], Row] = field(default_factory=dict)
    unattributed: dict[str, Row] = field(default_factory=dict)


def attribute(impressions: list[Row], outcomes: list[Row], terms: Terms) -> Attributed:
    """Every outcome to the impressions that share it, or to the reason why none does."""
    by_user: dict[str, list[Row]] = defaultdict(list)
    for impression in impressions:
        by_user[impression["user_id"]].append(impression)
    looked_at: dict[tuple[str, date], int] = defaultdict(int)
    earned: dict[tuple[str, date], float] = defaultdict(float)
    found = Attributed()
    for outcome in sorted(outcomes, key=lambda one: (one["occurred_at"], one["outcome_id"])):
        user_day = (outcome["user_id"], outcome["occurred_at"].date())
        touches: list[Row] = []
        if terms.values is not None and outcome["kind"] not in terms.values:
            reason = "not_valued"
        elif looked_at[user_day] == terms.max_outcomes:
            reason = "too_many"
        else:
            looked_at[user_day] += 1
            touches, reason = _touches(outcome, by_user[outcome["user_id"]], terms)
        shares = _credits(outcome, touches, terms)
        total = math.fsum(shares)
        if terms.cap is not None and total > 0:
            left = max(0.0, terms.cap - earned[user_day])
            earned[user_day] += total
            if left == 0:
                touches, reason = [], "capped"
            elif total > left:
                shares, total = [share * left / total for share in shares], left
        if not touches:
            found.unattributed[outcome["outcome_id"]] = {
                "kind": outcome["kind"],
                "reason": reason,
                "value": outcome["value"],
            }
            continue
        for impression, credit in zip(touches, shares, strict=True):
            found.credits[outcome["outcome_id"], impression["impression_id"]] = {
                "kind": outcome["kind"],
                "credit": credit,
                "value": total,
                "lag_seconds": _lag(impression, outcome) / timedelta(seconds=1),
                "rule": terms.rule,
            }
    return found


def _touches(outcome: Row, of_user: list[Row], terms: Terms) -> tuple[list[Row], str]:
    """The impressions that share the outcome, the earliest first; or why there are none."""
    match = terms.matches.get(outcome["kind"], terms.match)
    if match == "closest":
        match = _closest(outcome)
    needed = {"impression": "impression_id", "user_arm": "arm_id", "user_topic": "arm_id"}.get(match)
    if needed and outcome[needed] is None:
        return [], "unnamed"
    matching = [one for one in of_user if _matches(match, one, outcome, terms.topics)]
    ahead = terms.skew if match == "impression" else NONE
    known = [one for one in matching if one["occurred_at"] <= outcome["occurred_at"] + ahead]
    if match == "impression" and matching and not known:
        return [], "before_impression"
    if not known:
        return [], "no_impression"
    window = terms.windows.get(outcome["kind"], terms.window)
    inside = [one for one in known if one["occurred_at"] >= outcome["occurred_at"] - window]
    if not inside:
        return [], "late"
    inside.sort(key=lambda one: (one["occurred_at"], one.get("slot", 0), one["impression_id"]))
    if terms.rule == "first_touch":
        return inside[:1], ""
    if terms.rule == "last_touch":
        return inside[-1:], ""
    return inside[-terms.max_touches :], ""


def _closest(outcome: Row) -> str:
    if outcome["impression_id"] is not None:
        return "impression"
    return "user_arm" if outcome["arm_id"] is not None else "user"


def _matches(match: str, impression: Row, outcome: Row, topics: Mapping[str, str]) -> bool:
    if match == "impression":
        return bool(impression["impression_id"] == outcome["impression_id"])
    if match == "user_arm":
        return bool(impression["arm_id"] == outcome["arm_id"])
    if match == "user_topic":
        topic = topics.get(outcome["arm_id"])
        return topic is not None and topics.get(impression["arm_id"]) == topic
    return True


def _credits(outcome: Row, touches: list[Row], terms: Terms) -> list[float]:
    """What each of the touches is given before the cap."""
    if not touches:
        return []
    worth = 1.0 if terms.values is None else terms.values[outcome["kind"]]
    return [
        share * worth * outcome["value"] * _half_lives(_lag(impression, outcome), terms.decay)
        for impression, share in zip(touches, _shares(outcome, touches, terms), strict=True)
    ]


def _shares(outcome: Row, touches: list[Row], terms: Terms) -> list[float]:
    k = len(touches)
    if terms.rule == "time_decay":
        # Lags from the latest touch: the same shares, and no underflow however short the half-life.
        latest = _lag(touches[-1], outcome)
        weights = [_half_lives(_lag(one, outcome) - latest, terms.half_life) for one in touches]
        return [weight / sum(weights) for weight in weights]
    if terms.rule == "position":
        if k <= 2:
            return [1 / k] * k
        return [0.4, *[float(Fraction(1, 5) / (k - 2))] * (k - 2), 0.4]
    if terms.rule == "shapley":
        arms = [one["arm_id"] for one in touches]
        return [float(Fraction(1, len(set(arms)) * arms.count(arm))) for arm in arms]
    return [1 / k] * k


def _lag(impression: Row, outcome: Row) -> timedelta:
    lag: timedelta = outcome["occurred_at"] - impression["occurred_at"]
    return max(NONE, lag)


def _half_lives(lag: timedelta, half_life: timedelta | None) -> float:
    return 1.0 if half_life is None else float(2.0 ** -(lag / half_life))

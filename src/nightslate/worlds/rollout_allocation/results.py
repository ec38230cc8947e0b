"""The figures of a simulated rollout, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

from nightslate.worlds.results import Row
from nightslate.worlds.rollout_allocation.estimates import NAIVE

_LEADING = ("aipw", "cuped", "difference")
"""The methods of a readout, the most precise first."""

FOLLOWED = "policy"
SHIP, STOP, NOT_HEALTHY = "ship", "stop", "not healthy"


@dataclass(frozen=True)
class RolloutResults:
    """All figures of a rollout and its nights, as they are also kept in a JSON file.

    decided_by: the metric. margins: by how much others may get worse. harm: by group of users (at_risk, all),
    what the treatment cost them and what it would have cost in the fixed test; help: what it earned others.
    days: day, and what DailyRecords.by_day says. reactions: see DailyRecords.reactions, with dates.
    estimates: ds, metric, method, segment, segment_value, n, effect, stderr, lower, upper, anytime_lower,
    anytime_upper, truth. decisions: ds, decision, variant, reasons. precision: metric, method, stderr, fixed
    (the method that the fixed test's standard error is of), fixed_stderr, share (of the fixed test's
    1 / variance)."""

    program: str
    description: str
    seed: int
    users: int
    first_day: date
    nights: int
    confidence: float
    decided_by: str
    margins: dict[str, float]
    harm: dict[str, Row]
    help: Row
    days: list[Row]
    reactions: list[Row]
    estimates: list[Row]
    decisions: list[Row]
    precision: list[Row]
    seconds: dict[str, float]

    @property
    def harm_at_risk(self) -> float | None:
        """What users at risk lost, as a share of what the fixed test would have cost them."""
        share: float | None = self.harm["at_risk"]["share"]
        return share

    @property
    def leading(self) -> str | None:
        """The method that readouts are best known by; None where nothing was read out."""
        there = {row["method"] for row in self.estimates}
        return next((method for method in _LEADING if method in there), None)

    @property
    def information(self) -> float | None:
        """1 / variance of the leading effect on what is decided by, as a share of the fixed test's."""
        return next(
            (
                row["share"]
                for row in self.precision
                if (row["metric"], row["method"]) == (self.decided_by, self.leading)
            ),
            None,
        )

    def overall(self, metric: str, method: str | None) -> list[Row]:
        """The effects on all users, night by night."""
        return [
            row
            for row in self.estimates
            if row["segment"] is None and (row["metric"], row["method"]) == (metric, method)
        ]

    @property
    def coverage(self) -> list[Row]:
        """By method and of all users or segments: of how many intervals (judged) the truth was within those
        for one look, and of how many (judged_anytime) within those for every look."""
        kinds = dict.fromkeys((row["method"], row["segment"] is None) for row in self.estimates)
        return [
            {"method": method, "overall": overall, **_held(self._of(method, overall))}
            for method, overall in kinds
        ]

    def naive_bias(self, metric: str) -> float | None:
        """What is left of the naive difference of the last night once the truth is taken off, in its standard
        errors."""
        rows = self.overall(metric, NAIVE)
        if not rows or not rows[-1]["stderr"] or rows[-1]["truth"] is None:
            return None
        return float((rows[-1]["effect"] - rows[-1]["truth"]) / rows[-1]["stderr"])

    @property
    def followed(self) -> list[Row]:
        """What following the context was worth, by metric, as the last night reads it out."""
        last = max((row["ds"] for row in self.estimates), default=None)
        return [row for row in self.estimates if (row["ds"], row["method"]) == (last, FOLLOWED)]

    @property
    def verdict(self) -> Row:
        """The first decision that ends the experiment, else the last one; and whether it is right: to ship
        what helps and breaks no guardrail, to stop what does not, or to go on; not to doubt the logs, which
        lose as much of either variant. None where nothing is true yet."""
        ends = [row for row in self.decisions if row["decision"] in (SHIP, STOP)]
        found = ends[0] if ends else self.decisions[-1]
        better = self._is_better(found["ds"])
        wrong = {SHIP: better is False, STOP: better is True, NOT_HEALTHY: True}.get(found["decision"], False)
        return {**found, "better": better, "right": None if better is None else not wrong}

    def as_json(self) -> Row:
        """Every field, and what follows from them."""
        return {
            **asdict(self),
            "first_day": self.first_day.isoformat(),
            "harm_at_risk": self.harm_at_risk,
            "leading": self.leading,
            "information": self.information,
            "coverage": self.coverage,
            "naive_bias": {metric: self.naive_bias(metric) for metric in (self.decided_by, *self.margins)},
            "verdict": self.verdict,
        }

    def _of(self, method: str, overall: bool) -> list[Row]:
        return [
            row
            for row in self.estimates
            if row["method"] == method and (row["segment"] is None) == overall and row["truth"] is not None
        ]

    def _is_better(self, ds: str) -> bool | None:
        """Whether the treatment was, by the truth that the readout of a night is about."""
        truths = {
            row["metric"]: row["truth"]
            for row in self.estimates
            if row["ds"] == ds and row["method"] == self.leading and row["segment"] is None
        }
        if any(truths.get(metric) is None for metric in (self.decided_by, *self.margins)):
            return None
        broken = [metric for metric, margin in self.margins.items() if truths[metric] > margin]
        return truths[self.decided_by] > 0 and not broken


def _held(rows: Sequence[Row]) -> Row:
    """How many intervals held the truth."""
    found = {}
    for name, prefix in (("", ""), ("_anytime", "anytime_")):
        lower, upper = f"{prefix}lower", f"{prefix}upper"
        judged = [row for row in rows if row[lower] is not None]
        found[f"held{name}"] = sum(row[lower] <= row["truth"] <= row[upper] for row in judged)
        found[f"judged{name}"] = len(judged)
    return found

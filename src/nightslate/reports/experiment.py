"""What the page of a night says of an experiment, from the rows of its readout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.experiments.sequential import LEAST, LEAST_EFFECTIVE
from nightslate.reports.fatigue import Fatigue, fatigue_told
from nightslate.reports.numbers import MISSING, percent, setting, signed
from nightslate.reports.terminal import PLAIN

Row = Mapping[str, Any]

NOT_HEALTHY = "not healthy"


@dataclass(frozen=True)
class Compared:
    """A variant beside the control. mean, of_control: the metric of both; best: the row of the effect that is
    most precise; naive: that without weights, and adaptive: that
    of days weighted by what they tell, where shares have changed."""

    metric: str
    variant: str
    control: str
    n: int
    mean: float | None
    of_control: float | None
    best: Row
    naive: Row | None
    adaptive: Row | None
    segment: str = ""

    @property
    def effect(self) -> str:
        """With its sign."""
        return PLAIN.difference(self.best["effect"])

    @property
    def at_every_look(self) -> str:
        """The interval that holds whenever one looks."""
        return PLAIN.difference_interval(self.best["anytime_lower"], self.best["anytime_upper"])

    @property
    def adaptive_at_every_look(self) -> str:
        """That of days weighted by what they tell."""
        found = self.adaptive or {"anytime_lower": None, "anytime_upper": None}
        return PLAIN.difference_interval(found["anytime_lower"], found["anytime_upper"])

    def interval(self, confidence: float) -> str:
        """The interval that holds at every look, in words; before there is one, that for one look."""
        level = f"{setting(100 * confidence)} %"
        if self.best["anytime_lower"] is not None:
            return f"{self.at_every_look} at {level}, whenever one looks"
        return (
            f"{self.in_one_look} at {level} if this is the only look; one that holds at every look begins at"
            f" {LEAST} users of each variant, {LEAST_EFFECTIVE} of whom make the metric"
        )

    @property
    def in_one_look(self) -> str:
        """The interval for one look."""
        return PLAIN.difference_interval(self.best["lower"], self.best["upper"])

    @property
    def relative(self) -> str:
        """The effect as a share of the control."""
        if not self.of_control or self.best["effect"] is None:
            return MISSING
        return signed(percent(self.best["effect"] / abs(self.of_control)))


@dataclass(frozen=True)
class Novelty:
    """The effect on a metric in a user's first days, in later ones, and how much it changes."""

    first: Compared
    later: Compared
    change: Compared


@dataclass(frozen=True)
class ExperimentReadout:
    """What the page shows. decision, variant, reasons: of the night; followed: what following the context
    earned; exposed, assigned: all metrics, of these
    users; today: of the exposed on the night's day alone; novelty: of the exposed by the time since then;
    before: their covariates; interactions: metric, variant, segment and how likely it differs as much by
    chance, interaction_p; fatigue: by the number of the showing, if that is asked for."""

    decision: str
    variant: str | None
    reasons: list[str]
    metric: str
    since: date
    confidence: float
    users: int
    followed: list[Compared]
    exposed: list[Compared]
    assigned: list[Compared]
    segments: list[Compared]
    today: list[Compared]
    novelty: list[Novelty]
    before: list[Compared]
    interactions: list[Row]
    fatigue: Fatigue | None

    @property
    def healthy(self) -> bool:
        """Whether its figures can be believed."""
        return self.decision != NOT_HEALTHY

    @property
    def foremost(self) -> list[Compared]:
        """Each variant by the metric that is decided by; by the first of which there is any figure, while it
        has none."""
        known = [each.metric for each in self.exposed if each.best["effect"] is not None]
        metric = self.metric if self.metric in known else next(iter(known), self.metric)
        return [each for each in self.exposed if each.metric == metric]


def experiment_readout(
    readouts: pa.Table, decisions: pa.Table, fatigue: pa.Table
) -> ExperimentReadout | None:
    """From the rows of one issue and night; None where there are none."""
    found = decisions.to_pylist()
    if not found:
        return None
    (said,) = found
    of_all = readouts.filter(pc.is_null(readouts["segment"]))
    of_segments = readouts.filter(pc.is_valid(readouts["segment"]))
    metric = said["metric"]
    return ExperimentReadout(
        decision=said["decision"],
        variant=said["variant"],
        reasons=said["reasons"],
        metric=metric,
        since=said["first_day"],
        confidence=said["confidence"],
        users=said["exposed"],
        followed=_followed(of_all, metric),
        exposed=_compared(of_all, "exposed", "cumulative"),
        assigned=_compared(of_all, "assigned", "cumulative"),
        segments=_compared(of_segments, "exposed", "cumulative"),
        today=_compared(of_all, "exposed", "day"),
        novelty=_novelty(of_all),
        before=_compared(of_all, "exposed", "before"),
        interactions=_interactions(of_segments),
        fatigue=fatigue_told(fatigue),
    )


def _followed(readouts: pa.Table, metric: str) -> list[Compared]:
    """Of exposed users by the metric that is decided by, where there are probabilities of users' own."""
    of_exposed = (pc.field("method") == "policy") & (pc.field("scope") == "exposed")
    return [
        Compared(
            metric=metric,
            variant=row["variant"],
            control=row["control"],
            n=row["n"],
            mean=row["mean"],
            of_control=None if row["effect"] is None else row["mean"] - row["effect"],
            best=row,
            naive=None,
            adaptive=None,
        )
        for row in readouts.filter(of_exposed & (pc.field("metric") == metric)).to_pylist()
    ]


def _interactions(readouts: pa.Table) -> list[Row]:
    """One of each metric, variant and column, by the method that is most precise."""
    known = readouts.filter(pc.is_valid(readouts["interaction_p"]))
    found: dict[tuple[Any, ...], Row] = {}
    for row in known.sort_by([("method", "descending")]).to_pylist():  # "difference", "cuped", "aipw"
        if row["method"] != "naive":
            found[row["metric"], row["variant"], row["segment"]] = row
    return sorted(found.values(), key=lambda row: (row["segment"], row["metric"], row["variant"]))


def _novelty(readouts: pa.Table) -> list[Novelty]:
    parts = (_compared(readouts, "exposed", period) for period in ("first", "later", "change"))
    return [Novelty(*each) for each in zip(*parts, strict=True)]


def _compared(readouts: pa.Table, scope: str, period: str) -> list[Compared]:
    """By metric and variant, in the order of the rows."""
    mine = (pc.field("scope") == scope) & (pc.field("period") == period)
    cells: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in readouts.filter(mine).to_pylist():
        key = row["metric"], row["segment"], row["segment_value"], row["variant"]
        cells.setdefault(key, {})[row["method"]] = row
    found = []
    for (metric, segment, value, variant), by_method in cells.items():
        plain = by_method.get("difference")
        if plain is None or variant == plain["control"]:
            continue
        control = cells.get((metric, segment, value, plain["control"]), {}).get("difference")
        found.append(
            Compared(
                metric=metric,
                variant=variant,
                control=plain["control"],
                n=plain["n"],
                mean=plain["mean"],
                of_control=control["mean"] if control else None,
                best=by_method.get("aipw", by_method.get("cuped", plain)),
                naive=by_method.get("naive"),
                adaptive=by_method.get("adaptive"),
                segment="" if segment is None else f"{segment} {value or 'missing'}",
            )
        )
    return found

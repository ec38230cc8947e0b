"""Whether a readout can be believed: as many users as were to be, shown what they were assigned to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.experiments import SampleRatio, located, log_evidence
from nightslate.core.experiments.sequential import LEAST, LEAST_EFFECTIVE, reach
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName, SampleRatiosByName, in_order
from nightslate.kernels.readout_counts import Counts
from nightslate.pipeline.night import IssueNight
from nightslate.reports.numbers import percent

ALPHA = 0.01
"""How often a sample ratio that is right is taken for a mismatch, at any look ever."""

_FEW_CROSS = 0.01
"""Of exposed users, the share that may be shown another variant, by slates of the day before."""

_MANY = 20
"""Exposed users of a day in a variant that has none by no chance."""

_EXACT = 1e-6
"""Of a mean weight: what rounding explains where everybody was sure to stay."""

Cell = tuple[str | None, str | None]
"""The column and the value of a segment, none of either for all users."""


@dataclass(frozen=True, eq=False)
class SegmentRatio:
    """The sample ratio of one segment. ratio: of cells (days, 1), those of first exposures in order; log_e:
    (days,) the evidence for a mismatch after each."""

    cell: Cell
    days: list[str]
    ratio: SampleRatio
    log_e: Floats

    @classmethod
    def of(cls, cell: Cell, by_day: Mapping[str, SampleRatio]) -> Self:
        """Of the sample ratios of its days."""
        days = sorted(by_day)
        arrays = [by_day[day].arrays() for day in days]
        ratio = SampleRatio.from_arrays(
            {name: np.stack([each[name] for each in arrays])[:, None] for name in arrays[0]}
        )
        return cls(cell, days, ratio, log_evidence(ratio))

    @property
    def whole(self) -> SampleRatio:
        """Of all days."""
        return self.ratio.pooled(0).cell(0)

    @property
    def most(self) -> float:
        """The evidence at its highest, which is what counts."""
        return float(self.log_e.max())

    def in_words(self, variants: tuple[str, ...]) -> str:
        """Which share of which variant is missing, where and since when."""
        found, (column, value) = located(self.ratio), self.cell
        where = f", {column} {value or 'missing'}" if column else ""
        since = f"since {self.days[found.day]}" if found.day else "from the start"
        return (
            f"{percent(found.missing)} of the users of {variants[found.variant]} are missing{where}, {since}:"
            " a sample ratio mismatch, so those who are left can't be compared"
        )


def by_segment(found: SampleRatiosByName) -> list[SegmentRatio]:
    """Of all users, then of each segment."""
    by_cell: dict[Cell, dict[str, SampleRatio]] = {}
    for (column, value, day), ratio in found.states.items():
        by_cell.setdefault((column, value), {})[str(day)] = ratio
    cells = sorted(by_cell.items(), key=lambda item: repr((item[0][0] is not None, item[0])))
    return [SegmentRatio.of(cell, ratios) for cell, ratios in cells]


def faults(night: IssueNight, dealt: Allocated, counts: Counts, found: list[SegmentRatio]) -> Iterator[str]:
    """Why the readout can't be believed, in words."""
    variants = tuple(dealt.variants)
    worst = max(found, key=lambda each: each.most, default=None)
    if worst is not None and worst.most >= math.log(len(found) / ALPHA):
        yield worst.in_words(variants)
    exposed, named, crossed = (int(each.sum()) for each in (counts.exposed, counts.named, counts.crossed))
    if exposed and not named:
        yield (
            "no impression says which variant it is of, so what was shown is not known to follow the"
            " assignments; log slate_id, or variant"
        )
    elif crossed > _FEW_CROSS * exposed and not dealt.moves:
        yield (
            f"{percent(crossed / exposed)} of the exposed users were shown another variant than they are"
            " assigned to, too"
        )
    today = counts.today
    expected = counts.exposed / max(exposed, 1) * today.sum()
    for place, variant in enumerate(variants):
        if today[place] == 0 and expected[place] >= _MANY:
            yield (
                f"nobody of {variant} was exposed on {night.ds}, where {expected[place]:.0f} were to be"
                " expected: it is not shown any more, or not logged"
            )


def differences_before(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Why it can't be believed, by rows of the table `readouts` on what users were like before: an A/A test
    of each covariate and variant, whose evidence counts at every look."""
    before = [row for row in rows if row["period"] == "before" and row["variant"] != row["control"]]
    for row in before:
        if row["log_e"] is not None and row["log_e"] >= math.log(len(before) / ALPHA):
            yield (
                f"{row['variant']} differs from {row['control']} in {row['metric']} before anybody was"
                f" exposed: {row['effect']:+.4g}, {row['anytime_lower']:.4g} to {row['anytime_upper']:.4g} at"
                f" {100 * row['confidence']:.6g} % at every look; users were not dealt, or not exposed, by"
                " lot alone, or an earlier experiment still works on them"
            )


def unlikely_stays(found: MomentsByName) -> Iterator[str]:
    """Why it can't be believed, by whether users stay in their variants as often as their probabilities say,
    see `Paths.weights`: an alarm at every look, of as many as there are variants and values of segments."""
    alpha = ALPHA / max(1, len(found.states))
    for (variant, column, value), moments in in_order(found.states):
        n, mean, inverse = int(moments.n), float(moments.mean[0]), float(moments.mean[1])
        if n < LEAST or n / inverse < LEAST_EFFECTIVE:
            continue
        reaches = reach(n, alpha) * math.sqrt(max(inverse - 1, 0.0) / n)
        if abs(mean - 1) > reaches + _EXACT:
            where = f", {column} {value or 'missing'}" if column else ""
            yield (
                f"users of {variant}{where} stay in it with other probabilities than are stored: weights of"
                f" these average {mean:.4g}, where they would be {1 - reaches:.4g} to {1 + reaches:.4g}; what"
                " drew the variants went by more than what recorded the probabilities, or by something else"
            )


def sample_ratio_rows(
    night: IssueNight, dealt: Allocated, found: list[SegmentRatio]
) -> Iterator[dict[str, Any]]:
    """Of the table `sample_ratios`."""
    for each in found:
        whole = each.whole
        p = whole.p_value()
        for place, (variant, missing) in enumerate(
            zip(dealt.variants, whole.missing().tolist(), strict=True)
        ):
            yield {
                "issue": night.issue.name,
                "experiment": dealt.salt,
                "segment": each.cell[0],
                "segment_value": each.cell[1],
                "variant": variant,
                "exposed": int(whole.seen[place]),
                "expected": float(whole.expected[place]),
                "missing": missing if math.isfinite(missing) else None,
                "p": p,
                "log_e": float(each.log_e[-1]),
                "log_e_most": each.most,
                "first_day": date.fromisoformat(each.days[0]),
                "last_day": date.fromisoformat(each.days[-1]),
            }

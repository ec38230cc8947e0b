"""Whether a readout can be believed: as many users as were to be, shown what they were assigned to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from nightslate.core.experiments import SampleRatio
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import SampleRatiosByName
from nightslate.kernels.readouts import Counts
from nightslate.pipeline.night import IssueNight
from nightslate.reports.numbers import percent

ALPHA = 0.01
"""How often a sample ratio that is right is taken for a mismatch, at any look ever."""

_FEW_CROSS = 0.01
"""Of exposed users, the share that may be shown another variant, by slates of the day before."""

_MANY = 20
"""Exposed users of a day in a variant that has none by no chance."""

Cell = tuple[str | None, str | None]
"""The column and the value of a segment, none of either for all users."""


@dataclass(frozen=True)
class Mismatch:
    """The sample ratios of one segment, by the day of first exposure, in order. log_e: of all days up to each
    (d,), its evidence."""

    cell: Cell
    days: list[str]
    by_day: list[SampleRatio]
    log_e: list[float]

    @property
    def whole(self) -> SampleRatio:
        """Of all days."""
        return _merged(self.by_day)

    @property
    def most(self) -> float:
        """The evidence at its highest, which is what counts."""
        return max(self.log_e)

    @property
    def since(self) -> int:
        """The place of the day since which evidence has grown to its highest."""
        highest = int(np.argmax(self.log_e))
        before = [0.0, *self.log_e[:highest]]
        return int(np.argmin(before))

    def in_words(self, variants: tuple[str, ...]) -> str:
        """Which share of which variant is missing, where and since when."""
        begin = self.since
        missing = _merged(self.by_day[begin:]).missing()
        missing = np.where(np.isfinite(missing), missing, -np.inf)
        place = int(np.argmax(missing))
        column, value = self.cell
        where = f", {column} {value or 'missing'}" if column else ""
        since = f"since {self.days[begin]}" if begin else "from the start"
        return (
            f"{percent(float(missing[place]))} of the users of {variants[place]} are missing{where}, {since}:"
            " a sample ratio mismatch, so those who are left can't be compared"
        )


def mismatches(found: SampleRatiosByName) -> list[Mismatch]:
    """Of all users, then of each segment."""
    by_cell: dict[Cell, dict[str, SampleRatio]] = {}
    for (column, value, day), ratio in found.states.items():
        by_cell.setdefault((column, value), {})[str(day)] = ratio
    return [
        Mismatch(cell, days := sorted(ratios), [ratios[day] for day in days], _log_e(ratios, days))
        for cell, ratios in sorted(by_cell.items(), key=lambda item: repr((item[0][0] is not None, item[0])))
    ]


def faults(night: IssueNight, dealt: Allocated, counts: Counts, found: list[Mismatch]) -> Iterator[str]:
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


def sample_ratio_rows(night: IssueNight, dealt: Allocated, found: list[Mismatch]) -> list[dict[str, Any]]:
    """Of the table `sample_ratios`."""
    return [
        {
            "issue": night.issue.name,
            "experiment": dealt.salt,
            "segment": each.cell[0],
            "segment_value": each.cell[1],
            "variant": variant,
            "exposed": int(whole.seen[place]),
            "expected": float(whole.expected[place]),
            "missing": missing if math.isfinite(missing := float(whole.missing()[place])) else None,
            "p": whole.p_value(),
            "log_e": each.log_e[-1],
            "log_e_most": each.most,
            "first_day": date.fromisoformat(each.days[0]),
            "last_day": date.fromisoformat(each.days[-1]),
        }
        for each in found
        for whole in (each.whole,)
        for place, variant in enumerate(dealt.variants)
    ]


def _log_e(ratios: Mapping[str, SampleRatio], days: list[str]) -> list[float]:
    """The evidence after each day, of all up to it."""
    values, so_far = [], None
    for day in days:
        so_far = ratios[day] if so_far is None else so_far.merge(ratios[day])
        values.append(so_far.log_e_value())
    return values


def _merged(ratios: list[SampleRatio]) -> SampleRatio:
    whole = ratios[0]
    for ratio in ratios[1:]:
        whole = whole.merge(ratio)
    return whole

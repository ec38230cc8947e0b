"""Which effects fade or grow with the time since a user's first exposure, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import in_short

_PERIODS = ("first", "later", "change")


def novelty_in_words(night: IssueNight, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """From the night's rows of the table `readouts`: of changes that are told at every look, among all that
    are looked at together."""
    of_effects: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["period"] in _PERIODS and row["variant"] != row["control"]:
            of_effects.setdefault((row["metric"], row["variant"]), {})[row["period"]] = row
    for (metric, variant), by_period in of_effects.items():
        first, later, change = (by_period[period] for period in _PERIODS)
        if change["e_bh"]:
            fades = first["effect"] * change["effect"] < 0
            length = in_short(night.issue.experiment.metrics[metric].novelty or timedelta(0))
            yield (
                f"{variant}: the effect on {metric} {'fades' if fades else 'grows'}:"
                f" {first['effect']:+.4g} in a user's first {length}, {later['effect']:+.4g} after that,"
                f" a change of {change['effect']:+.4g}, {change['anytime_lower']:.4g} to"
                f" {change['anytime_upper']:.4g} at {100 * change['confidence']:.6g} % at every look"
            )

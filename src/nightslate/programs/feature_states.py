"""What is kept of a day's events for features of many days: of each user their sums, which merge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nightslate.programs.features import (
    Aggregate,
    Condition,
    Distinct,
    FeatureSpec,
    Last,
    OfColumn,
    OfEvents,
    OfNumbers,
    SourceName,
)

KEPT_BY_DAY: tuple[SourceName, ...] = ("activity", "impressions", "outcomes")
"""Logs whose rows of a day are what happened on it. A day's credits are of impressions of other days."""


@dataclass(frozen=True)
class StateOfDay:
    """The events of a user and day that a condition holds for, and that have a value in `column`, merged into
    one row; if they are told apart by it (`distinct`), into one for each value."""

    source: SourceName
    where: Condition
    column: str | None
    distinct: bool

    @property
    def of(self) -> str:
        """It in words: equal words, equal rows from equal logs."""
        said = {"source": self.source, "where": self.where, "column": self.column, "distinct": self.distinct}
        return json.dumps(said, sort_keys=True)


def state_of(spec: FeatureSpec) -> StateOfDay | None:
    """What of a day's events is all that a feature has to know; None where only the events are: quantiles,
    sessions and times between them look at each, and a user and an arm have few a day. What takes a consent
    is kept nowhere but in the feature itself."""
    merges = isinstance(spec, OfEvents | OfNumbers | Last | Distinct)
    if not merges or spec.consent or spec.by is not None or spec.source not in KEPT_BY_DAY:
        return None
    column = spec.column if isinstance(spec, OfColumn) else None
    return StateOfDay(spec.source, spec.where, column, isinstance(spec, Distinct))


def states_of(features: Iterable[Aggregate]) -> list[StateOfDay]:
    """Those of some features, each once."""
    states = [state for each in features if (state := state_of(each.spec))]
    return [state for place, state in enumerate(states) if state not in states[:place]]


def that_merge(features: Sequence[Aggregate]) -> tuple[Aggregate, ...]:
    """The features that states of days are enough for."""
    return tuple(each for each in features if state_of(each.spec))

"""Learnt detectors of risk: how likely something is to come of a user, as a column that issues may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from nightslate.programs.days import days_before, first_day
from nightslate.programs.learners import Parameters, Sampled
from nightslate.programs.logs import SQL_WORDS, TAKEN, Feature
from nightslate.programs.strict import Days, Duration, Name, Text


class Detector(Sampled):
    """The probability that an outcome of the kind `of` comes `within` this time after the end of a day, given
    what was known then. `window_days`: days of users that it is fitted on, the last ones of which it is known
    what came. `parameters`: what the estimator's constructor takes."""

    of: Text = Field(min_length=1)
    within: Duration
    estimator: Literal[
        "logistic_regression",
        "hist_gradient_boosting_classifier",
        "random_forest_classifier",
        "extra_trees_classifier",
        "mlp_classifier",
    ] = "logistic_regression"
    parameters: Parameters = Field(default={})
    window_days: Days = 28

    def days(self, ds: date) -> list[date]:
        """Those that the night of ds fits it on, the oldest first: their horizon is over by its end."""
        last = ds - timedelta(days=days_before(self.within))
        first = first_day(last, self.window_days)
        return [first + timedelta(days=number) for number in range(self.window_days)]


Detectors = Annotated[dict[Name, Detector], Field(max_length=100)]
"""By name."""


def risks_of(detectors: Iterable[str]) -> tuple[Feature, ...]:
    """What conditions may name of them: a number from 0 to 1 each."""
    return tuple(Feature(name=name, type="number") for name in detectors)


def require_names_of_their_own(detectors: Mapping[str, Detector], known: Iterable[Feature]) -> None:
    """Raise ValueError where a detector is called what a column is called that stands beside it."""
    taken = {feature.name for feature in known} | TAKEN["context"] | SQL_WORDS
    for name in detectors:
        if name in taken:
            raise ValueError(
                f"detectors: the name {name!r} is that of a column that there is anyway, or a word of SQL;"
                " choose another"
            )

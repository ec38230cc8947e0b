"""Whose value a number is: which estimates lead, and what each is about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

PROGRESSIVE, CROSS_FITTED = ESTIMANDS = ("progressive", "cross_fitted")
"""What a policy is worth."""

SHORT_OUTCOMES = "short_outcomes"
"""What came soon, which is not what a policy is worth: nothing is decided by it."""


def leading(evaluations: pa.Table) -> pa.Table:
    """Of rows of the table of that name those to lead with: progressive ones, whose intervals hold what they
    say of policies that learn; cross-fitted ones while no day has been weighed by models of before it."""
    progressive = evaluations.filter((pc.field("estimand") == PROGRESSIVE) & (pc.field("n") > 0))
    return progressive if progressive.num_rows else cross_fitted(evaluations)


def leading_of_each_night(evaluations: pa.Table) -> pa.Table:
    """As `leading`, of rows of many nights (`ds`) of one issue: each night leads with its own."""
    progressive = (pc.field("estimand") == PROGRESSIVE) & (pc.field("n") > 0)
    nights = evaluations.filter(progressive)["ds"].unique()
    others = (pc.field("estimand") == CROSS_FITTED) & ~pc.field("ds").isin(nights)
    return evaluations.filter(progressive | others)


def cross_fitted(evaluations: pa.Table) -> pa.Table:
    """The rows on policies as they are fitted tonight."""
    return evaluations.filter(pc.field("estimand") == CROSS_FITTED)


def short_outcomes(evaluations: pa.Table) -> pa.Table:
    """The rows on what came soon."""
    return evaluations.filter(pc.field("estimand") == SHORT_OUTCOMES)


def in_words(row: Mapping[str, Any]) -> str:
    """What an estimate is about, to end a sentence with."""
    fitted = {
        PROGRESSIVE: "each policy as it was fitted before the day on which it is weighed",
        CROSS_FITTED: "each policy as it is fitted tonight, weighed on users that it was not fitted on",
        SHORT_OUTCOMES: "of what comes before staying is known alone, before costs, each policy as it was"
        " fitted before the day on which it is weighed",
    }[row["estimand"]]
    return f"{fitted}; weights before goals, priority and diversity; all users, shown {days(row)}"


def days(row: Mapping[str, Any]) -> str:
    """The days shown that an estimate is about."""
    first, last = row["first_day"], row["last_day"]
    return f"{first} to {last}" if first < last else f"on {first}"

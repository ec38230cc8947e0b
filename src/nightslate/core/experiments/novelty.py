"""Whether the effect of a variant changes with the time since a user's first exposure.

Of each user there is what was done in the first days and what was done in the days after them, each above and
below the line of a ratio: a mean is one per day. The effect of later days less that of the first ones is a
difference between variants of differences within users, so that neither a user's habits nor what all users do
less of as time goes on counts as a change. All of a user's days are one observation, and users count once
their time is over, so that the interval holds at every look as that of any other metric does.

What changes with the calendar changes with it too: a variant whose policy learns gets better for everybody,
whose later days are later days."""

from __future__ import annotations

from dataclasses import dataclass

from nightslate.core.experiments.effect import Effect, change, effect
from nightslate.core.experiments.moments import Moments


@dataclass(frozen=True)
class Novelty:
    """The effects on the first days and on later ones, and the latter less the former."""

    first: Effect
    later: Effect
    change: Effect


def novelty(control: Moments, treatment: Moments, confidence: float) -> Novelty:
    """Of one cell against another. Columns of the moments: numerator and denominator of later days, then
    those of the first days."""
    of_later, of_first = slice(0, 2), slice(2, 4)
    return Novelty(
        effect(control.columns(of_first), treatment.columns(of_first), confidence),
        effect(control.columns(of_later), treatment.columns(of_later), confidence),
        change(control, treatment, confidence),
    )

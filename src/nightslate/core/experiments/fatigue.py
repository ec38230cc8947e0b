"""Whether users respond less to what they have been shown before.

Of each number of a showing there are two ratios over the same showings: how often they were responded to,
and how often the first one of the same arm to the same user was. Users and arms of later showings are not
those of first ones (a policy shows again what was liked), so it is the difference within them that tells, as
far as whether an arm is shown again does not depend on the response to the first: where it does, what was
lucky once falls back to what it is worth, with or without fatigue."""

from __future__ import annotations

from dataclasses import dataclass

from nightslate.core.experiments.effect import Level, level
from nightslate.core.experiments.metric import change_of, value_of
from nightslate.core.experiments.moments import Moments


@dataclass(frozen=True)
class Responses:
    """The rate of responses to these showings, that to the first ones of the same arms and users, and the
    former less the latter."""

    rate: Level
    first: Level
    change: Level


def responses(users: Moments, confidence: float) -> Responses:
    """Of one cell. Columns of the moments: responses and showings, then responses to the first showing of the
    arm of each, and showings again."""
    return Responses(
        level(value_of(users), confidence),
        level(value_of(users.columns(slice(2, 4))), confidence),
        level(change_of(users), confidence),
    )

"""How to attribute, from the texts of a command line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from nightslate.core.attribution import RULES, Rule
from nightslate.core.errors import InvalidInputError
from nightslate.kernels.attribution import Attributor
from nightslate.programs.days import microseconds
from nightslate.programs.rewards import MAX_TOUCHES, SKEW
from nightslate.programs.strict import Duration

MATCHES = ("user", "user_arm", "impression", "closest")

_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


def attributor(
    *,
    rule: str,
    window: str,
    half_life: str | None = None,
    match: str = "user",
    values: Sequence[str] = (),
    decay: str | None = None,
    cap: float | None = None,
    skew: str = SKEW,
    max_touches: int = MAX_TOUCHES,
) -> Attributor:
    """values: KIND=WORTH each; without any, every kind is worth 1.

    Raises InvalidInputError for what is no name, no number, no duration, or does not go together."""
    _one_of("--rule", rule, RULES)
    _one_of("--match", match, MATCHES)
    if rule == "time_decay" and half_life is None:
        raise InvalidInputError(
            "--rule time_decay needs a half-life: add --half-life, such as --half-life 7d"
        )
    if rule != "time_decay" and half_life is not None:
        raise InvalidInputError(
            f"--half-life is for --rule time_decay; {rule} does not know it: leave it out"
        )
    if cap is not None and not (math.isfinite(cap) and cap > 0):
        raise InvalidInputError(f"--cap is the most that a user can earn in a day, > 0; got {cap}")
    half = None if half_life is None else microseconds(_duration("--half-life", half_life))
    return Attributor(
        Rule(rule, half, max_touches),
        match,
        _duration("--window", window),
        values=_worths(values) if values else None,
        decay=None if decay is None else _duration("--decay", decay),
        cap=cap,
        skew=timedelta(0) if re.fullmatch("0+[mhd]?", skew) else _duration("--skew", skew),
    )


def _one_of(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise InvalidInputError(f"{option} is one of {', '.join(names)}; got {name!r}")


def _duration(option: str, text: str) -> timedelta:
    try:
        return _DURATION.validate_python(text)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"{option}: {why}; got {text!r}") from None


def _worths(texts: Sequence[str]) -> dict[str, float]:
    """Raises InvalidInputError for a kind that is given twice, too."""
    worths: dict[str, float] = {}
    for text in texts:
        kind, _, number = text.rpartition("=")
        try:
            worth = float(number)
        except ValueError:
            worth = math.nan
        if not kind or not math.isfinite(worth):
            raise InvalidInputError(f"--value is KIND=WORTH, such as click=0.05; got {text!r}")
        if kind in worths:
            raise InvalidInputError(f"--value says twice what {kind} is worth")
        worths[kind] = worth
    return worths

"""What is asked of a log, from the texts of a command line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.intervals import INTERVALS, Bootstrap, Interval
from nightslate.programs.evaluation import TAKEN_OUT


@dataclass(frozen=True)
class OpeOptions:
    """How to evaluate: estimators (None: all that the log has columns for), the interval, the range of one
    reward, tuning parameters that are fixed, whether to compare with the logging policy, and the seed of
    the bootstrap."""

    estimators: tuple[str, ...] | None
    interval: Interval
    confidence: float
    rewards: RewardRange | None
    tunings: Mapping[str, float]
    compared: bool
    seed: int

    @classmethod
    def of(
        cls,
        *,
        estimators: str | None = None,
        interval: str = Bootstrap.name,
        confidence: float = 0.95,
        rewards: str | None = None,
        max_weight: float | None = None,
        tunings: Sequence[str] = (),
        resamples: int = 1000,
        baseline: str = "logged",
        seed: int = 0,
    ) -> Self:
        """Raises InvalidInputError for what is no name, no number, or does not go together."""
        chosen = None
        if estimators:
            chosen = tuple(_one_of("an estimator", name, ESTIMATORS) for name in _words(estimators))
        if gone := TAKEN_OUT.get(_plain(interval)):
            raise InvalidInputError(gone)
        method = INTERVALS[_one_of("an interval", interval, INTERVALS)]
        if isinstance(method, Bootstrap):
            method = replace(method, resamples=resamples)
        if method.guaranteed and rewards is None:
            raise InvalidInputError(
                f"the interval {method.name} holds for what one reward can be: add --range LOW,HIGH, such as "
                "--range 0,1"
            )
        if max_weight is not None and rewards is None:
            raise InvalidInputError("--max-weight bounds weights together with --range LOW,HIGH: add that")
        return cls(
            estimators=chosen,
            interval=method,
            confidence=confidence,
            rewards=None if rewards is None else _range(rewards, max_weight),
            tunings=dict(map(_tuning, tunings)),
            compared=_one_of("a baseline", baseline, ("logged", "none")) == "logged",
            seed=seed,
        )


def _range(text: str, max_weight: float | None) -> RewardRange:
    ends = re.split(r"[,:\s]+", text.strip())
    try:
        low, high = map(float, ends)
    except ValueError:
        raise InvalidInputError(f"--range is two numbers, LOW,HIGH, such as 0,1; got {text!r}") from None
    return RewardRange(low, high, max_weight)


def _tuning(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    tuned = {name: estimator for name, estimator in ESTIMATORS.items() if len(estimator.tunings) > 1}
    name = _one_of("an estimator with a tuning parameter", name.strip(), tuned)
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise InvalidInputError(
            f"--tuning is ESTIMATOR=VALUE with a value > 0, such as {name}=10; got {text!r}"
        )
    return name, value


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _one_of(what: str, name: str, names: Iterable[str]) -> str:
    """`name` as one of `names`, dashes standing for underscores."""
    known, plain = list(names), _plain(name)
    if plain not in known:
        near = difflib.get_close_matches(plain, known, n=1)
        hint = f"; is {near[0]} what is meant?" if near else ""
        raise InvalidInputError(f"{name!r} is not {what}: they are {', '.join(known)}{hint}")
    return plain


def _plain(name: str) -> str:
    return name.strip().replace("-", "_")

"""What to do with an experiment, whenever one looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.optimize import brentq

from nightslate.core.experiments.effect import Difference
from nightslate.core.experiments.multiplicity import together
from nightslate.core.experiments.sequential import LEAST, LEAST_EFFECTIVE, reach

Word = Literal["ship", "stop", "go on", "not healthy"]

_FARTHEST = 1000.0
"""Times as many users as there are: nobody waits for more."""


@dataclass(frozen=True)
class Guardrail:
    """That a variant may not be worse than the control by more than a margin. effects: of treatments of which
    anything is known, positive where they are better; margin: in the unit of the metric, 0 or more."""

    metric: str
    effects: Mapping[str, Difference]
    margin: float

    def of(self, treatment: str) -> Difference:
        """Its effect, unknown while users have not had the time that the metric takes."""
        return self.effects.get(treatment, Difference(None))


@dataclass(frozen=True)
class Decision:
    """A word, the variant that it is about, if there is one, and the sentences that it rests on."""

    word: Word
    variant: str | None
    reasons: tuple[str, ...]


def decision(
    metric: str,
    effects: Mapping[str, Difference],
    confidence: float,
    *,
    faults: Sequence[str] = (),
    guardrails: Sequence[Guardrail] = (),
    users: int,
    users_per_day: float | None = None,
) -> Decision:
    """By the anytime-valid evidence on one metric of each treatment, by e-BH where there are several.

    not healthy: there are faults, whatever the figures say. ship: a treatment is better, and of each
    guardrail not worse by its margin; of several the one of the largest effect. stop: every treatment is
    worse, or a guardrail of each that is not is broken. Else go on. users: of all variants; users_per_day:
    how many come, if that is known."""
    if faults:
        return Decision("not healthy", None, tuple(faults))
    found = effects.values()
    left = together([each.p for each in found], [each.log_e for each in found], 1 - confidence)
    told = {name: effects[name].effect or 0.0 for name, each in zip(effects, left, strict=True) if each.e_bh}
    better = [name for name, value in told.items() if value > 0]
    worse = [name for name, value in told.items() if value < 0]
    broken = {name: _broken(name, guardrails) for name in effects}
    unsettled = {name: _not_yet_known(name, guardrails) for name in effects}
    sentences = [_sentence(metric, name, each, confidence) for name, each in effects.items()]
    stopped = [name for name in effects if name in worse or broken[name]]
    against = tuple(sentence for name in effects for sentence in broken[name])
    ready = [name for name in better if not broken[name] and not unsettled[name]]
    if ready:
        best = max(ready, key=lambda name: effects[name].effect or 0.0)
        return Decision("ship", best, (*sentences, *against))
    if len(stopped) == len(effects):
        return Decision("stop", None, (*sentences, *against))
    waiting = [sentence for name in better for sentence in unsettled[name]]
    undecided = [name for name in effects if name not in stopped and name not in better]
    times = [
        _until_told(name, effects[name], confidence, users, users_per_day)
        for name in undecided
        if effects[name].stderr is not None
    ]
    return Decision("go on", None, (*sentences, *against, *waiting, *times))


def users_needed(difference: Difference, users: int, confidence: float) -> int | None:
    """Of how many users in all the anytime-valid interval would exclude 0 if the effect is what it now seems
    to be; None where that is too far away, or nothing is known."""
    if not difference.effect or difference.stderr is None:
        return None
    by_user = difference.stderr * math.sqrt(users)

    def lacks(log_n: float) -> float:
        n = math.exp(log_n)
        return reach(round(n), 1 - confidence) * by_user / math.sqrt(n) - abs(difference.effect or 0.0)

    least, most = math.log(max(users, 2 * LEAST)), math.log(_FARTHEST * max(users, 2 * LEAST))
    if lacks(least) <= 0:
        return round(math.exp(least))
    return math.ceil(math.exp(brentq(lacks, least, most))) if lacks(most) < 0 else None


def _sentence(metric: str, name: str, found: Difference, confidence: float) -> str:
    if found.effect is None:
        return f"{name}: {metric} has no value"
    if found.stderr is None:
        return (
            f"{name}: {metric} {found.effect:+.4g}, without an interval: nothing varies, or there is one user"
        )
    if found.anytime_lower is None or found.anytime_upper is None:
        return (
            f"{name}: {metric} {found.effect:+.4g}, not yet with an interval that holds at every look: it"
            f" begins at {LEAST} users of each variant, {LEAST_EFFECTIVE} of whom make the metric"
        )
    how = (
        "better"
        if found.anytime_lower > 0
        else "worse"
        if found.anytime_upper < 0
        else "either may be better"
    )
    return (
        f"{name}: {metric} {found.effect:+.4g}, {found.anytime_lower:.4g} to {found.anytime_upper:.4g} at "
        f"{100 * confidence:.6g} % at every look: {how}"
    )


def _until_told(
    name: str, found: Difference, confidence: float, users: int, users_per_day: float | None
) -> str:
    needed = users_needed(found, users, confidence)
    if needed is None:
        least = (
            "" if found.mde is None else f"; now one look would find {found.mde:.3g} four times out of five"
        )
        return f"{name}: no end can be foreseen if the effect is as small as it seems{least}"
    if needed <= users:
        return f"{name}: with the other variants it takes more evidence"
    days = ""
    if users_per_day:
        more = math.ceil((needed - users) / users_per_day)
        days = f", {more:,} day{'' if more == 1 else 's'} at {users_per_day:,.0f} a day"
    return f"{name}: if the effect is what it seems to be, it takes about {needed - users:,} users more{days}"


def _broken(name: str, guardrails: Sequence[Guardrail]) -> list[str]:
    return [
        f"{name}: {guard.metric} is worse by more than {guard.margin:g}"
        for guard in guardrails
        if (upper := guard.of(name).anytime_upper) is not None and upper < -guard.margin
    ]


def _not_yet_known(name: str, guardrails: Sequence[Guardrail]) -> list[str]:
    return [
        f"{name}: {guard.metric} could still be worse by more than {guard.margin:g}"
        for guard in guardrails
        if (lower := guard.of(name).anytime_lower) is None or lower < -guard.margin
    ]

"""Events outside, such as incidents, and what they do to an experiment by declared rules.

A signal is active in [start, until): one that begins later, by a clock that is off or because it was
announced, does nothing yet, and one that has expired nothing any more, but by a rule that resumes only some
days after. Where several do something to the same users, the strictest holds: stop, then hold, then the
reduction that leaves least.

What each does to a user's shares: stop takes all treatments to exactly 0, at once; hold leaves them as they
were the night before (those stopped since are 0); reduce multiplies treatments by a factor, not below the
floor. The control has what they lose. Moments are microseconds, all since the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nightslate.core.allocation.shares import Limits, within_step
from nightslate.core.arrays import Bools, Floats
from nightslate.core.errors import InvalidInputError

Action = Literal["reduce", "hold", "stop"]

DAY = 24 * 60 * 60 * 10**6

_STRICTNESS: Mapping[Action, int] = {"reduce": 1, "hold": 2, "stop": 3}


@dataclass(frozen=True)
class Signal:
    """Something outside: its name, how severe it is, when it began and when it expires (None: not by itself),
    in which region it is so (None: in all)."""

    name: str
    severity: float
    start: int
    until: int | None = None
    region: str | None = None


@dataclass(frozen=True)
class SignalRule:
    """What signals of a name (None: any) do from a severity on: reduce, by a factor, hold or stop; for users
    of which regions (None: all); how many days after they expired it ends (0: at once)."""

    do: Action
    name: str | None = None
    least_severity: float = -np.inf
    factor: float = 1.0
    regions: frozenset[str] | None = None
    resume_after: int = 0

    def __post_init__(self) -> None:
        if self.do not in _STRICTNESS or not 0 <= self.factor <= 1 or self.resume_after < 0:
            raise InvalidInputError(
                f"a rule says reduce, hold or stop, a factor in [0, 1] and days >= 0, got {self.do},"
                f" {self.factor} and {self.resume_after}"
            )

    def heeds(self, signal: Signal, moment: int) -> bool:
        """Whether a signal is one of the rule's, and active or not yet over for so long."""
        named = self.name is None or self.name == signal.name
        return named and signal.severity >= self.least_severity and _active(signal, moment, self.resume_after)


@dataclass(frozen=True)
class SignalEffect:
    """What signals do to some users: by which action (None: nothing), by which factor treatments are reduced
    (1 but for reductions), and the names of the signals that do just this, in order."""

    do: Action | None = None
    factor: float = 1.0
    signals: tuple[str, ...] = ()

    @property
    def strictness(self) -> tuple[int, float]:
        """The larger, the stricter."""
        return (_STRICTNESS[self.do] if self.do else 0, -self.factor)


NO_EFFECT = SignalEffect()


def active(signals: Sequence[Signal], moment: int) -> tuple[Signal, ...]:
    """Those that have begun and have not expired."""
    return tuple(signal for signal in signals if _active(signal, moment))


def effect_of_signals(
    signals: Sequence[Signal], rules: Sequence[SignalRule], moment: int, region: str | None
) -> SignalEffect:
    """The strictest of what signals do by the rules to users of a region. Users of whom no region is known
    (None) are reached by signals and rules for all regions alone."""
    done = [
        SignalEffect(rule.do, rule.factor if rule.do == "reduce" else 1.0, (signal.name,))
        for rule in rules
        for signal in signals
        if rule.heeds(signal, moment)
        and signal.region in (None, region)
        and (rule.regions is None or region in rule.regions)
    ]
    strictest = max((each.strictness for each in done), default=NO_EFFECT.strictness)
    those = [each for each in done if each.strictness == strictest]
    if not those:
        return NO_EFFECT
    names = sorted({name for each in those for name in each.signals})
    return SignalEffect(those[0].do, those[0].factor, tuple(names))


def shares_under(
    effect: SignalEffect, limits: Limits, before: Floats, shares: Floats, users: Bools
) -> Floats:
    """(n, k) shares (n, k) where an effect reaches some users (n,). before (n, k): the shares of the night
    before, NaN of users who are new: nothing of theirs is held."""
    if effect.do is None:
        return shares
    under = np.array(shares, order="F")
    if effect.do == "hold":
        under[users] = within_step(before[users], shares[users], 0.0)
    elif effect.do == "stop":
        under[users] = np.arange(shares.shape[1]) == limits.control
    else:
        under[users] = _reduced(limits, shares[users], effect.factor)
    return under


def _reduced(limits: Limits, shares: Floats, factor: float) -> Floats:
    """Treatments times a factor, not below the floor where they were not."""
    reduced = np.minimum(shares, np.maximum(factor * shares, limits.floor))
    reduced[:, limits.control] = shares[:, limits.control]
    reduced[:, limits.control] += (shares - reduced).sum(axis=1)
    return reduced


def _active(signal: Signal, moment: int, days_after: int = 0) -> bool:
    if signal.until is None:
        return signal.start <= moment
    return signal.start <= min(moment, signal.until - 1) and moment < signal.until + days_after * DAY

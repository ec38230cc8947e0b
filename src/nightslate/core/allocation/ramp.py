"""A treatment's share in steps: further when a step has had its days and its users and the guardrails hold,
back when they break.

A look, once a night, goes by the first of these that is so:

- a ramp that went back to zero stays there: whoever wants it anew declares it anew;
- a guardrail is breached: the ramp is held where it is, or goes a step back, or back to zero, as declared, at
  each look at which it is so, also once the ramp is done. A step back from the first one is zero;
- it stands still for a breach: it goes on, from the step that it is at, after so many looks in a row at which
  the guardrails were ok, if that is declared and no signal holds it. A step without guardrails is ok; a look
  at which they are not known counts neither way;
- a signal holds it: it stands still, and goes on at the first look without one;
- it is done;
- nobody has come since the step began, and more than a day has gone by: it is held for lack of traffic until
  somebody comes;
- the step lacks days or users, or its guardrails are not known: it runs on as it is;
- else comes the next step, and after the last one it is done.

A step's days and users count from `since`: the day on which it began, or on which the ramp went on after it
stood still. A day before that, by a clock that is off, is a look like one on that day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from nightslate.core.errors import InvalidInputError

Phase = Literal["running", "held", "rolled_back", "done"]
Guardrails = Literal["ok", "breached", "unknown"]
AtBreach = Literal["hold", "step_back", "to_zero"]
Cause = Literal[
    "begun",
    "waits",
    "unknown",
    "advanced",
    "finished",
    "no_traffic",
    "signal",
    "breached",
    "recovers",
    "resumed",
]

ZERO = -1
"""The step of a ramp that went all the way back."""


@dataclass(frozen=True)
class RampStep:
    """A share, and after how many days and users since the step began the next one may come. The last step
    is over when it has had its own; so is one without either, at the first look with a user."""

    share: float
    days: int = 0
    users: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.days < 0 or self.users < 0:
            raise InvalidInputError(
                f"a step of a ramp has a share in (0, 1], days and users >= 0, got {self.share}, {self.days}"
                f" and {self.users}"
            )


@dataclass(frozen=True)
class Ramp:
    """The steps, of shares that rise; what to do at a breach; after how many looks in a row at which the
    guardrails are ok the ramp goes on, None: never by itself."""

    steps: tuple[RampStep, ...]
    at_breach: AtBreach = "hold"
    resume_after: int | None = None

    def __post_init__(self) -> None:
        shares = [step.share for step in self.steps]
        if not shares or any(later <= earlier for earlier, later in pairwise(shares)):
            raise InvalidInputError(f"the shares of a ramp's steps must rise, got {shares}")
        if self.resume_after is not None and self.resume_after < 1:
            raise InvalidInputError(f"a ramp goes on after one look or more, got {self.resume_after}")


@dataclass(frozen=True)
class RampState:
    """Where a ramp stands: the place of the step, or ZERO; the day number since which the step counts; the
    phase; what the last look went by; how many looks in a row were ok since a breach."""

    step: int
    since: int
    phase: Phase
    cause: Cause
    ok_looks: int = 0

    @classmethod
    def begun(cls, day: int) -> RampState:
        """At the first step, from a day on."""
        return cls(0, day, "running", "begun")

    @property
    def after_breach(self) -> bool:
        """Whether it stands still, or went back, for a breach."""
        return self.phase == "rolled_back" or (
            self.phase == "held" and self.cause in ("breached", "recovers")
        )


def share_at(ramp: Ramp, state: RampState) -> float:
    """Of the treatment: that of the step, 0 at ZERO. A ramp that is held keeps its share."""
    return ramp.steps[state.step].share if state.step != ZERO else 0.0


def advanced(
    state: RampState,
    ramp: Ramp,
    day: int,
    users_at_step: int,
    guardrail: Guardrails | None,
    held_by_signal: bool,
) -> RampState:
    """After a look on a day. users_at_step: those who came since `state.since`; guardrail: what they all say
    together, None of a step that has none; held_by_signal: whether a signal holds the ramp.

    Raises InvalidInputError for a state of another ramp."""
    if not ZERO <= state.step < len(ramp.steps):
        raise InvalidInputError(f"the state is at step {state.step} of a ramp of {len(ramp.steps)} steps")
    if state.step == ZERO:
        return state
    if guardrail == "breached":
        return _breached(state, ramp, day)
    if state.after_breach:
        return _recovering(state, ramp, day, guardrail, held_by_signal)
    if held_by_signal and state.phase != "done":
        return replace(state, phase="held", cause="signal")
    if state.cause == "signal":
        return replace(state, since=day, phase="running", cause="resumed")
    if state.phase == "done":
        return state
    return _running(state, ramp, day, users_at_step, guardrail)


def ramp_in_words(state: RampState, ramp: Ramp) -> str:
    """Where the ramp stands, and what the last look went by."""
    at = f"step {state.step + 1} of {len(ramp.steps)} ({100 * share_at(ramp, state):.4g} %)"
    at = "zero" if state.step == ZERO else at
    wanted = ramp.resume_after or "no end"
    return {
        "begun": f"began at {at}",
        "waits": f"at {at} until it has had its days and users",
        "unknown": f"at {at} until its guardrails are known",
        "advanced": f"went on to {at}",
        "finished": f"done at {at}",
        "no_traffic": f"held at {at}: nobody has come",
        "signal": f"held at {at} by a signal",
        "breached": f"{'held at' if state.phase == 'held' else 'went back to'} {at}: a guardrail is breached",
        "recovers": f"stays at {at} after a breach: ok at {state.ok_looks} looks of {wanted}",
        "resumed": f"goes on at {at}",
    }[state.cause]


def _breached(state: RampState, ramp: Ramp, day: int) -> RampState:
    if ramp.at_breach == "hold":
        return replace(state, phase="held", cause="breached", ok_looks=0)
    step = state.step - 1 if ramp.at_breach == "step_back" else ZERO
    return RampState(step, day, "rolled_back", "breached")


def _recovering(
    state: RampState, ramp: Ramp, day: int, guardrail: Guardrails | None, held_by_signal: bool
) -> RampState:
    looks = state.ok_looks + (guardrail != "unknown")
    if ramp.resume_after is None or looks < ramp.resume_after or held_by_signal:
        return replace(state, cause="recovers", ok_looks=looks)
    return RampState(state.step, day, "running", "resumed")


def _running(
    state: RampState, ramp: Ramp, day: int, users_at_step: int, guardrail: Guardrails | None
) -> RampState:
    step, days = ramp.steps[state.step], day - state.since
    if users_at_step == 0 and days > 1:
        return replace(state, phase="held", cause="no_traffic")
    if days < step.days or users_at_step < max(step.users, 1):
        return replace(state, phase="running", cause="waits")
    if guardrail == "unknown":
        return replace(state, phase="running", cause="unknown")
    if state.step == len(ramp.steps) - 1:
        return replace(state, phase="done", cause="finished")
    return RampState(state.step + 1, day, "running", "advanced")

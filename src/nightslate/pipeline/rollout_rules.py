"""What a program says of ramps and signals, as the mathematics of allocation has it."""

from __future__ import annotations

from nightslate.core.allocation import Layer, Part, Ramp, RampStep, SignalRule
from nightslate.programs import allocation as said


def ramp_of(ramp: said.Ramp) -> Ramp:
    """The ramp."""
    steps = tuple(RampStep(step.share, step.days, step.users) for step in ramp.steps)
    return Ramp(steps, ramp.at_breach, ramp.resume_after)


def layer_of(allocation: said.Allocation) -> Layer | None:
    """The experiments whose users it has none of."""
    declared = allocation.layer
    if declared is None:
        return None
    return Layer(declared.salt, tuple(Part(name, *ends) for name, ends in declared.parts.items()))


def signal_rules_of(allocation: said.Allocation) -> list[SignalRule]:
    """What signals do, rule by rule."""
    return [
        SignalRule(rule.do, rule.name, rule.least, rule.factor, resume_after=rule.resume_after)
        for rule in allocation.signals
    ]

"""From which traffic a program estimates how likely each slot is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightslate.programs.strict import Name, Strength, Strict

if TYPE_CHECKING:
    from nightslate.programs.spec import Program


class Examination(Strict):
    """`variant`: the one whose traffic is randomised; none where all of it is. `prior_strength`: how many
    impressions it takes to believe them as much as the prior."""

    variant: Name | None = None
    prior_strength: Strength = 100.0


def require_randomised(program: Program) -> None:
    """Raise ValueError, naming the key, unless the program's examination can be estimated as it says."""
    examination = program.examination
    if examination is None:
        return
    variant = examination.variant
    if variant is not None and variant not in program.variants:
        raise ValueError(f"examination.variant: {variant!r} is not one of {sorted(program.variants)}")
    if program.weighs_decisions and (variant is None or variant in program.steered):
        uniform = sorted(set(program.variants) - set(program.steered)) or "none: add one"
        raise ValueError(
            "examination.variant: conditional propensities don't say how likely an arm was in its slot, so"
            f" only traffic of a variant whose policy is uniform will do (there: {uniform}), unless marginal"
            " ones are logged"
        )
    for kind, value in program.rewards.values.items():
        if value < 0:
            raise ValueError(
                f"examination: rewards.values.{kind} is negative, and how likely a slot is looked at follows"
                " from rewards that are not; leave out either of them"
            )

"""From which traffic a program estimates how likely each slot is looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nightslate.programs.strict import Name, Strength, Strict


class Examination(Strict):
    """`variant`: the one whose traffic is randomised; none where all of it is. `prior_strength`: how many
    impressions it takes to believe them as much as the prior."""

    variant: Name | None = None
    prior_strength: Strength = 100.0


def require_randomised(
    examination: Examination,
    variants: Collection[str],
    uniform: Collection[str],
    by_decision: bool,
    values: Mapping[str, float],
) -> None:
    """Raise ValueError, naming the key, unless it can be estimated as it says. uniform: the variants whose
    policy is; by_decision: whether slots depend on one another; values: what outcomes are worth, by kind."""
    variant = examination.variant
    if variant is not None and variant not in variants:
        raise ValueError(f"examination.variant: {variant!r} is not one of {sorted(variants)}")
    if by_decision and variant not in uniform:
        there = sorted(uniform) or "none: add one"
        raise ValueError(
            "examination.variant: conditional propensities don't say how likely an arm was in its slot, so"
            f" only traffic of a variant whose policy is uniform will do (there: {there}), unless marginal"
            " ones are logged"
        )
    for kind, value in values.items():
        if value < 0:
            raise ValueError(
                f"examination: rewards.values.{kind} is negative, and how likely a slot is looked at follows"
                " from rewards that are not; leave out either of them"
            )

"""What a program asks about the uplift of help: against which arm."""

from __future__ import annotations

from collections.abc import Collection

from nightslate.programs.examination import Examination
from nightslate.programs.rewards import Rewards
from nightslate.programs.strict import Strict, Text


class Uplift(Strict):
    """`baseline`: the arm that stands for doing nothing; all others are help."""

    baseline: Text


def require_baseline(
    uplift: Uplift,
    arms: Collection[str],
    slots: int,
    sequence: bool,
    examination: Examination | None,
    rewards: Rewards,
) -> None:
    """Raise ValueError, naming the key, unless help is one choice against an arm that costs nothing. `arms`:
    those that the issue names; none, where it chooses among others."""
    baseline = uplift.baseline
    if arms and baseline not in arms:
        raise ValueError(f"uplift.baseline: {baseline!r} is not one of arms.ids (there: {sorted(arms)})")
    if slots > 1 or sequence or examination:
        raise ValueError(
            "uplift: help is held against nothing where one arm is shown and its own reward counts; it goes"
            " with neither several slots, nor `sequence`, nor `examination`"
        )
    if rewards.costs.get(baseline):
        raise ValueError(
            f"uplift.baseline: rewards.costs.{baseline} is {rewards.costs[baseline]:g}, and what help costs"
            " is counted from an arm that costs nothing; take its cost off the others instead"
        )

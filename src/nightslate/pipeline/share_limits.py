"""The shares that an allocation moves about, and between what it moves them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from nightslate.core.allocation import Limits
from nightslate.programs import Issue
from nightslate.programs.allocation import Allocation


def shares_of_everyone(
    issue: Issue, allowed: float | None, stopped: Collection[str] = ()
) -> dict[str, float]:
    """By variant the share of users without a score: those declared, all treatments together as much as is
    `allowed` to them; as declared, where that is None. What is stopped has none, and the control the rest."""
    treatments = {name: each.share for name, each in issue.treatments.items()}
    declared = sum(treatments.values())
    whole = declared if allowed is None else allowed
    shares = {
        name: 0.0 if name in stopped else share / declared * whole for name, share in treatments.items()
    }
    return {**shares, str(issue.experiment.control): 1 - sum(shares.values())}


def shares_in_the_end(issue: Issue, asked: Allocation) -> dict[str, float]:
    """Those that follow no context, once a ramp has come to its last step."""
    return shares_of_everyone(issue, asked.ramp.steps[-1].share if asked.ramp else None)


def limits_about(
    issue: Issue, asked: Allocation, variants: Sequence[str], shares: Mapping[str, float]
) -> Limits:
    """Between what the shares of variants move off these; one that has none of them has 0."""
    return Limits(
        baseline=np.array([shares.get(name, 0.0) for name in variants]),
        control=variants.index(str(issue.experiment.control)),
        range=asked.range,
        risk_tolerance=asked.risk_tolerance,
        scale=asked.scale,
        floor=asked.floor,
    )

"""What it takes for shares to follow the context, and an error that says what is not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from nightslate.programs.allocation import Allocation
from nightslate.programs.evaluation import Gate
from nightslate.programs.logs import Feature
from nightslate.programs.measurable import require_free
from nightslate.programs.readouts import MOVED, Metric
from nightslate.programs.rewards import Rewards
from nightslate.programs.variants import Variant

LEAST_FOLDS = 3
"""Of users: what is said of one fold comes of a second by what a third makes expected of it."""

_NO_SLATES: Mapping[str, object] = {
    "depth": 1000,
    "rewards": Rewards.model_construct(values={}, window=timedelta(days=1), skew=timedelta(minutes=5)),
    "learners": {},
    "floor": 1.0,
    "gate": Gate(first_champion="nobody"),
}


def with_what_makes_slates(issue: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an issue says, and, where it allocates, or somebody else does, stand-ins for all that slates are
    made by, of which it has none; `slots` may be said, of which an app shows one unless it is.
    Raises ValueError, naming the key, where it says some of the rest."""
    experiment = issue.get("experiment")
    if not isinstance(experiment, Mapping):
        return issue
    if "allocation" in experiment:
        why = "an allocation says who is in which variant"
    elif experiment.get("assigned_by") == "logs":
        why = "logs say who is in which variant"
    else:
        return issue
    for key in _NO_SLATES:
        if key in issue:
            raise ValueError(f"{key}: {why}, and no variant has slates; leave it out")
    return {**_NO_SLATES, "slots": 1, **issue}


def require_allocable(
    allocation: Allocation | None,
    salt: str,
    control: str | None,
    variants: Mapping[str, Variant],
    metrics: Mapping[str, Metric],
    guarded: Collection[str],
    context: Sequence[Feature],
    signals: bool,
    folds: int,
) -> None:
    """Raise ValueError, naming the key, unless there is a control, treatments whose users somebody else
    decides for, metrics with an end, and what rules and signals are about."""
    if allocation is None:
        return
    if control is None:
        raise ValueError("experiment.allocation: say the `control` and the `metrics` that it is for")
    ours = [name for name, variant in variants.items() if not variant.external]
    if ours:
        raise ValueError(
            f"experiment.allocation: users of {ours[0]} get slates of its policy, and shares that follow the"
            " context are of variants that an app shows; make its policy external"
        )
    if folds < LEAST_FOLDS:
        raise ValueError(
            f"evaluation.folds: {folds} are too few for an allocation; models of effects are fitted to what"
            f" users of other folds make of those of a third, so it takes {LEAST_FOLDS}"
        )
    _require_over_floor(allocation, control, {name: variant.share for name, variant in variants.items()})
    for name in allocation.score.metrics:
        if name not in metrics:
            raise ValueError(
                f"experiment.allocation.score: {name!r} is none of the metrics (there: {list(metrics)})"
            )
        if metrics[name].lasts is None or metrics[name].kind not in ("mean", "share", "retention"):
            raise ValueError(
                f"experiment.allocation.score: {name} has no value of a user that is final; take a mean or a"
                " share with a `window`"
            )
        winsorise = metrics[name].winsorise
        if winsorise is not None and winsorise.quantile is not None:
            raise ValueError(
                f"experiment.allocation.score: what a user of {name} counts for changes with the `quantile`"
                " of all users; winsorise it by a `value`"
            )
    known = [column.name for column in context]
    require_free("experiment.allocation", MOVED, known)
    for name in allocation.score.ignores:
        if name not in known:
            raise ValueError(
                f"experiment.allocation.score.ignores: {name!r} is not one of logs.context or features"
                f" (there: {known})"
            )
    if allocation.layer and salt not in allocation.layer.parts:
        raise ValueError(
            f"experiment.allocation.layer: no part is of {salt!r}, the experiment's own salt (there:"
            f" {list(allocation.layer.parts)})"
        )
    for rule in allocation.rules:
        if rule.variant not in variants:
            raise ValueError(
                f"experiment.allocation.rules: {rule.variant!r} is no variant (there: {list(variants)})"
            )
    for step in allocation.ramp.steps if allocation.ramp else ():
        for name in step.guardrails:
            if name not in guarded:
                raise ValueError(
                    f"experiment.allocation.ramp: {name!r} is none of the guardrails (there: {list(guarded)})"
                )
    if allocation.signals and not signals:
        raise ValueError("experiment.allocation.signals: no signals land; declare `logs.signals`")
    try:
        allocation.ruled(context)
    except ValueError as error:
        raise ValueError(f"experiment.allocation.rules: when: {error}") from error


def _require_over_floor(allocation: Allocation, control: str, shares: Mapping[str, float]) -> None:
    """Raise ValueError where the share of a variant, or that of a treatment at a step of the ramp, is under
    the floor."""
    of_treatments = sum(share for name, share in shares.items() if name != control)
    if not of_treatments:
        raise ValueError("experiment.allocation: no treatment has a share")
    steps = [step.share for step in allocation.ramp.steps] if allocation.ramp else [of_treatments]
    for allowed in steps:
        of_step = {name: share / of_treatments * allowed for name, share in shares.items()}
        of_step[control] = 1 - allowed
        for name, share in of_step.items():
            if share < allocation.floor:
                raise ValueError(
                    f"experiment.allocation.floor: {allocation.floor} is over the share of {name},"
                    f" {share:.4g}{' at a step of the ramp' if allocation.ramp else ''}"
                )

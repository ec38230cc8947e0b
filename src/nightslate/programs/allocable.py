"""What it takes for shares to follow the context, and an error that says what is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nightslate.programs.allocation import Allocation
from nightslate.programs.logs import Feature
from nightslate.programs.readouts import Metric
from nightslate.programs.variants import Variant


def require_allocable(
    allocation: Allocation | None,
    control: str | None,
    variants: Mapping[str, Variant],
    metrics: Mapping[str, Metric],
    context: Sequence[Feature],
    signals: bool,
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
    least = [name for name, variant in variants.items() if variant.share < allocation.floor]
    if least:
        raise ValueError(
            f"experiment.allocation.floor: {allocation.floor} is over the share of {least[0]},"
            f" {variants[least[0]].share}"
        )
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
    for key, said in (("rules", allocation.rules), ("signals", allocation.signals)):
        for one in said:
            if one.variant is not None and one.variant not in variants:
                raise ValueError(
                    f"experiment.allocation.{key}: {one.variant!r} is no variant (there: {list(variants)})"
                )
    if allocation.signals and not signals:
        raise ValueError("experiment.allocation.signals: no signals land; declare `logs.signals`")
    try:
        allocation.ruled(context)
    except ValueError as error:
        raise ValueError(f"experiment.allocation.rules: when: {error}") from error

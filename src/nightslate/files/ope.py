"""The value of a policy from a log of another one: estimates, how far to trust them, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import BANDIT_ESTIMATORS, ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.estimators.diagnostics import Thresholds
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.estimators.estimator import Estimator
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.intervals import Delta
from nightslate.core.estimators.results import results
from nightslate.core.estimators.sample import Logged, Sample, known
from nightslate.core.estimators.verdict import BEST_FIRST, Verdict, verdict
from nightslate.files.log import ArmCheck, Log
from nightslate.files.question import Question

TARGET, LOGGED = "target", "logged"
THRESHOLDS = Thresholds()
_SHOWN_CELLS = 5
_SURPRISE = 4.0
"""Standard errors from its expectation at which a figure is taken to be wrong."""


@dataclass(frozen=True)
class Evaluation:
    """The answer to a question about a log.

    estimates: the target's value, a line an estimator. logged: the logging policy's own mean reward.
    difference: target minus logged by the estimator that the verdict goes by; None if not asked for.
    support_is_known: the log has a column unsupported_mass."""

    estimates: tuple[Estimate, ...]
    logged: Estimate
    difference: Estimate | None
    verdict: Verdict
    support_is_known: bool
    arm_check: ArmCheck | None
    notes: tuple[str, ...]
    rejected: Mapping[str, int]


def evaluate(log: Log, question: Question) -> Evaluation:
    """Raises InvalidInputError if the log lacks what an estimator needs that was asked for by name, or if a
    reward is outside the range that was stated."""
    sample = log.sample
    family = BANDIT_ESTIMATORS if isinstance(sample, Sample) else SLATE_ESTIMATORS
    possible = [name for name, estimator in family.items() if estimator.needs <= sample.fields]
    _require(question.estimators or (), possible, sample)
    _require_range(log, question)
    estimates = _estimates(log, {TARGET: sample}, question.estimators or possible, question)
    mismatch = _mismatch(log, possible, question)
    trusted = [name for name in possible if not (mismatch and ESTIMATORS[name].needs)]
    best = next(name for name in BEST_FIRST if name in trusted)
    mean = "ips" if family is BANDIT_ESTIMATORS else "sips"
    both = {TARGET: sample, LOGGED: log.of_logging_policy}
    paired = {(e.policy, e.reference, e.estimator): e for e in _estimates(log, both, (mean, best), question)}
    difference = paired[TARGET, LOGGED, best] if question.compared else None
    support_is_known = sample.unsupported_mass is not None
    return Evaluation(
        estimates=tuple(estimates),
        logged=paired[LOGGED, None, mean],
        difference=difference,
        verdict=verdict(difference or estimates[0], THRESHOLDS, support_is_known=support_is_known),
        support_is_known=support_is_known,
        arm_check=log.arm_check,
        notes=(
            *filter(None, (mismatch,)),
            *_arms(log.arm_check),
            *log.notes,
            *_bounds(log, question),
            *_absent(family, possible, sample),
        ),
        rejected=log.rejected,
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON: null where there is no figure, never NaN or infinity."""
    first = evaluation.estimates[0]
    difference = evaluation.difference
    diagnostics: dict[str, Any] = {
        "n": first.n,
        "clusters": first.clusters,
        "ess": _finite(first.ess),
        "max_weight": _finite(first.max_weight),
        "mean_weight": _finite(first.mean_weight),
        "mean_weight_lower": _finite(first.mean_weight_lower),
        "mean_weight_upper": _finite(first.mean_weight_upper),
        "unsupported_share": _finite(first.unsupported_share),
    }
    if evaluation.arm_check:
        diagnostics["calibration"] = _calibration(evaluation.arm_check)
    return {
        "estimators": {estimate.estimator: _figures(estimate) for estimate in evaluation.estimates},
        "logged": _figures(evaluation.logged),
        "difference": difference and {"estimator": difference.estimator, **_figures(difference)},
        "diagnostics": diagnostics,
        "verdict": evaluation.verdict.word,
        "reasons": list(evaluation.verdict.reasons),
        "rejected": dict(evaluation.rejected),
        "notes": list(evaluation.notes),
    }


def _figures(estimate: Estimate) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "value": _finite(estimate.value),
        "stderr": _finite(estimate.stderr),
        "lower": _finite(estimate.lower),
        "upper": _finite(estimate.upper),
        "interval": estimate.interval_method,
    }
    if len(ESTIMATORS[estimate.estimator].tunings) > 1:
        figures["tuning"] = estimate.tuning
    return figures


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _estimates(
    log: Log, policies: Mapping[str, Logged], estimators: Sequence[str], question: Question
) -> list[Estimate]:
    """Of a log that is one update: a file is all on one machine."""
    tunings = {name: value for name, value in question.tunings.items() if name in estimators}
    slots = 1 if isinstance(log.sample, Sample) else log.sample.slots
    empty = EvaluationState.initial(tuple(policies), tuple(estimators), tunings, slots, question.seed)
    state = empty.update(tuple(policies.values()), log.cluster)
    return results(state, question.confidence, question.interval, question.rewards)


def _mismatch(log: Log, possible: Sequence[str], question: Question) -> str | None:
    """What is wrong with the reward model's columns, if they contradict each other: the weighted mean of
    q_logged is that of v_target in expectation, so doubly robust of a reward of 0 is 0."""
    name = next((name for name in BEST_FIRST if name in possible and ESTIMATORS[name].needs), None)
    if name is None:
        return None
    nothing = replace(log.sample, reward=np.zeros_like(log.sample.reward))
    (control,) = _estimates(log, {TARGET: nothing}, (name,), replace(question, interval=Delta()))
    if control.value is None or control.stderr is None:
        return None
    rounding = 1e-6 * float(np.abs(known(log.sample.v_target)).max(initial=0.0))
    if abs(control.value) <= _SURPRISE * control.stderr + rounding:
        return None
    return (
        f"v_target is not what the target can expect of q_logged: it is {control.value:+.4g} off on average, "
        f"beyond {_SURPRISE:.0f} standard errors ({control.stderr:.2g}); do not trust estimators that use "
        "them: the verdict goes by another"
    )


def _require(asked: Sequence[str], possible: Sequence[str], sample: Logged) -> None:
    for name in asked:
        if name not in possible:
            kind = "slates" if name in SLATE_ESTIMATORS else "single impressions"
            lacks = ", ".join(sorted(ESTIMATORS[name].needs - sample.fields)) or f"a log of {kind}"
            raise InvalidInputError(f"{name} needs {lacks}; this log has what {', '.join(possible)} need")


def _require_range(log: Log, question: Question) -> None:
    """Rewards are in the range that was stated; for a guaranteed interval so are the model's expectations, of
    slates those of all slots to come."""
    if question.rewards is None:
        return
    sample, low, high = log.sample, question.rewards.low, question.rewards.high
    columns = {"reward": (low, high)}
    if question.interval.guaranteed:
        slots = 1 if isinstance(sample, Sample) else sample.slots
        ends = (min(low, slots * low), max(high, slots * high))
        columns |= {name: ends for name in sample.fields if name.startswith(("q_logged", "v_target"))}
    for name, (least, most) in columns.items():
        values = getattr(sample, name)
        outside = (values < least) | (values > most)
        if outside.any():
            raise InvalidInputError(
                f"{name} is outside {least:.6g} to {most:.6g}, which --range allows, in "
                f"{np.count_nonzero(outside)} of {values.size} places: it reaches from {values.min():.6g} to "
                f"{values.max():.6g}"
            )


def _absent(family: Mapping[str, Estimator], possible: Sequence[str], sample: Logged) -> list[str]:
    """Which estimators more columns would give."""
    lacking: dict[str, list[str]] = {}
    for name in family:
        if name not in possible and name != "pseudo_inverse":
            columns = " and ".join(sorted(family[name].needs - sample.fields))
            lacking.setdefault(columns, []).append(name)
    return [f"with {columns} there would be {', '.join(names)} too" for columns, names in lacking.items()]


def _bounds(log: Log, question: Question) -> list[str]:
    if (
        question.rewards is None
        or question.rewards.max_weight is not None
        or not question.interval.guaranteed
    ):
        return []
    return [
        f"the largest weight that was seen, {log.sample.largest_weight:.6g}, stands for the largest that is "
        "possible: the interval is guaranteed only if none can be larger (--max-weight states a bound)"
    ]


def _arms(check: ArmCheck | None) -> list[str]:
    if check is None:
        return []
    return [
        f"the logged propensities of arm {cell['arm']} in slot {cell['slot']} are too small: 1/propensity "
        f"has the mean {cell['mean']:.4g} over {cell['decisions']} decisions instead of 1"
        for cell in _calibration(check)["off"]
    ]


def _calibration(check: ArmCheck) -> dict[str, Any]:
    """How many cells of arm and slot there are, how far from 1 they are, and those that are off, the worst
    first."""
    inverses = check.inverses
    off = np.argwhere(inverses.off)
    off = off[np.argsort(-inverses.z[tuple(off.T)], kind="stable")][:_SHOWN_CELLS]
    shown = inverses.shown > 0
    return {
        "cells": int(shown.sum()),
        "cells_off": int(inverses.off.sum()),
        "off": [
            {
                "arm": check.arms[arm],
                "slot": check.slots[slot],
                "shown": int(inverses.shown[arm, slot]),
                "decisions": int(inverses.open[arm, slot]),
                "mean": float(inverses.mean[arm, slot]),
                "z": float(inverses.z[arm, slot]),
            }
            for arm, slot in off.tolist()
        ],
    }

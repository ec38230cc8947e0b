"""The value of a policy from a log of another one: estimates, how far to trust them, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import (
    BANDIT_ESTIMATORS,
    ESTIMATORS,
    SLATE_ESTIMATORS,
    TRAJECTORY_ESTIMATORS,
)
from nightslate.core.ope.diagnostics import Thresholds
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.estimator import Estimator
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.one_more import against, in_favour
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Logged, Sample, known
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.core.ope.verdict import BEST_FIRST, Verdict, verdict
from nightslate.files import ope_notes
from nightslate.files.arm_check import ArmCheck
from nightslate.files.log import Log
from nightslate.files.ope_options import OpeOptions

TARGET, LOGGED = "target", "logged"
THRESHOLDS = Thresholds()
_SURPRISE = 4.0
"""Standard errors from its expectation at which a figure is taken to be wrong."""
_NOBODY = np.uint64(2**64 - 1)
"""The key of a cluster that no log has."""
_FEWEST_CLUSTERS = 2
"""That have a spread."""


@dataclass(frozen=True)
class _Family:
    """The estimators of one kind of sample, which of them is a plain mean, and what a log of it is of."""

    estimators: Mapping[str, Estimator]
    mean: str
    log_of: str


_FAMILIES: Mapping[type[Logged], _Family] = {
    Sample: _Family(BANDIT_ESTIMATORS, "ips", "single impressions"),
    SlateSample: _Family(SLATE_ESTIMATORS, "sips", "slates"),
    TrajectorySample: _Family(TRAJECTORY_ESTIMATORS, "tis", "trajectories"),
}


@dataclass(frozen=True)
class Evaluation:
    """The answer to a question about a log.

    estimates: the target's value, a line an estimator. logged: the logging policy's own mean reward.
    difference: target minus logged by the estimator that the verdict goes by; None if not asked for.
    support_is_known: the log has a column unsupported_mass. units: what was evaluated, such as impressions.
    ess_by_step: of trajectories, how many effective samples the weights of the first t steps leave."""

    estimates: tuple[Estimate, ...]
    logged: Estimate
    difference: Estimate | None
    verdict: Verdict
    support_is_known: bool
    arm_check: ArmCheck | None
    notes: tuple[str, ...]
    rejected: Mapping[str, int]
    units: str
    ess_by_step: tuple[float, ...]


def evaluate(log: Log, question: OpeOptions) -> Evaluation:
    """Raises InvalidInputError if the log lacks what an estimator needs that was asked for by name, or if a
    reward is outside the range that was stated."""
    sample = log.sample
    family = _FAMILIES[type(sample)]
    possible = [name for name, estimator in family.estimators.items() if estimator.needs <= sample.fields]
    if log.too_heavy:
        return _without_weights(log, family, possible, question)
    _require(question.estimators or (), possible, sample)
    _require_range(log, question)
    estimates = _estimates(log, {TARGET: sample}, question.estimators or possible, question)
    mismatch = _mismatch(log, possible, question)
    trusted = [name for name in possible if not (mismatch and ESTIMATORS[name].needs)]
    best = next(name for name in BEST_FIRST if name in trusted)
    both = {TARGET: sample, LOGGED: log.of_logging_policy}
    lines = _estimates(log, both, (family.mean, best), question)
    paired = {(line.policy, line.reference, line.estimator): line for line in lines}
    difference = paired[TARGET, LOGGED, best] if question.compared else None
    support_is_known = sample.unsupported_mass is not None
    lines_shown = (*estimates, paired[LOGGED, None, family.mean])
    return Evaluation(
        estimates=tuple(estimates),
        logged=paired[LOGGED, None, family.mean],
        difference=difference,
        verdict=verdict(
            difference or estimates[0],
            THRESHOLDS,
            _with_one_more(log, difference, question) if difference else (),
            support_is_known=support_is_known,
        ),
        support_is_known=support_is_known,
        arm_check=log.arm_check,
        notes=(
            *filter(None, (mismatch,)),
            *(log.arm_check.notes() if log.arm_check else ()),
            *ope_notes.valueless(estimates),
            *ope_notes.remarks(lines_shown, question),
            *ope_notes.made_by_one(estimates),
            *log.notes,
            *ope_notes.bounds(log, question),
            *ope_notes.absent(family.estimators, possible, sample),
        ),
        rejected=log.rejected,
        units=sample.units,
        ess_by_step=tuple(sample.ess_by_step.tolist()) if isinstance(sample, TrajectorySample) else (),
    )


def _without_weights(log: Log, family: _Family, possible: Sequence[str], question: OpeOptions) -> Evaluation:
    """What can be told where a weight is too large for sums: what was logged, and what a model says alone."""
    alone = [name for name in possible if not ESTIMATORS[name].knows_its_error]
    asked = question.estimators or alone
    if not asked or set(asked) - set(alone):
        what = ", ".join(asked) or "What this log has columns for"
        raise InvalidInputError(
            f"{log.too_heavy}. {what} cannot do without it; with v_target a model alone can"
        )
    estimates = _estimates(log, {TARGET: log.sample}, asked, question)
    (logged,) = _estimates(log, {LOGGED: log.of_logging_policy}, (family.mean,), question)
    return Evaluation(
        estimates=tuple(map(_without_diagnostics, estimates)),
        logged=logged,
        difference=None,
        verdict=Verdict("not enough evidence", (log.too_heavy,)),
        support_is_known=False,
        arm_check=log.arm_check,
        notes=(*log.notes, *ope_notes.remarks((*estimates, logged), question)),
        rejected=log.rejected,
        units=log.sample.units,
        ess_by_step=(),
    )


def _without_diagnostics(line: Estimate) -> Estimate:
    return replace(
        line,
        ess=None,
        max_weight=None,
        mean_weight=None,
        mean_weight_lower=None,
        mean_weight_upper=None,
        unsupported_share=None,
    )


def _with_one_more(log: Log, difference: Estimate, question: OpeOptions) -> list[Estimate]:
    """The difference in logs that have one more unit, a cluster of its own, which speaks most against it."""
    if difference.lower is None or difference.upper is None or difference.lower <= 0 <= difference.upper:
        return []
    asked = replace(question, interval=Delta())
    both = {TARGET: log.sample, LOGGED: log.of_logging_policy}
    state = _state(log, both, (difference.estimator,), asked)
    found = []
    for unit in (against if difference.lower > 0 else in_favour)(log.sample):
        one = replace(log, sample=unit, cluster=np.array([_NOBODY]))
        added = _state(one, {TARGET: unit, LOGGED: one.of_logging_policy}, (difference.estimator,), asked)
        lines = results(state.merge(added), question.confidence, asked.interval, question.rewards)
        found += [line for line in lines if (line.policy, line.reference) == (TARGET, LOGGED)]
    return found


def _estimates(
    log: Log, policies: Mapping[str, Logged], estimators: Sequence[str], question: OpeOptions
) -> list[Estimate]:
    state = _state(log, policies, estimators, question)
    return results(state, question.confidence, question.interval, question.rewards)


def _state(
    log: Log, policies: Mapping[str, Logged], estimators: Sequence[str], question: OpeOptions
) -> EvaluationState:
    """Of a log that is one update: a file is all on one machine."""
    tunings = {name: value for name, value in question.tunings.items() if name in estimators}
    bet_on = question.rewards if question.interval.guaranteed else None
    empty = EvaluationState.initial(
        tuple(policies), tuple(estimators), tunings, log.sample.slots, question.seed, bet_on
    )
    return empty.update(tuple(policies.values()), log.cluster, log.name_of)


def _mismatch(log: Log, possible: Sequence[str], question: OpeOptions) -> str | None:
    """What is wrong with the reward model's columns, if they contradict each other: the weighted mean of
    q_logged is that of v_target in expectation, so doubly robust of a reward of 0 is 0."""
    name = next((name for name in BEST_FIRST if name in possible and ESTIMATORS[name].needs), None)
    if name is None:
        return None
    nothing = replace(log.sample, reward=np.zeros_like(log.sample.reward))
    (control,) = _estimates(log, {TARGET: nothing}, (name,), replace(question, interval=Delta()))
    if control.value is None or control.clusters < _FEWEST_CLUSTERS:
        return None
    stderr = control.stderr or 0.0  # None where nothing varies: it is off by the same everywhere
    rounding = 1e-6 * float(np.abs(known(log.sample.v_target)).max(initial=0.0))
    if abs(control.value) <= _SURPRISE * stderr + rounding:
        return None
    return (
        f"v_target is not what the target can expect of q_logged: it is {control.value:+.4g} off on average, "
        f"beyond {_SURPRISE:.0f} standard errors ({stderr:.2g}); do not trust estimators that use "
        "them: the verdict goes by another"
    )


def _require(asked: Sequence[str], possible: Sequence[str], sample: Logged) -> None:
    for name in asked:
        if name not in possible:
            family = next(family for family in _FAMILIES.values() if name in family.estimators)
            lacks = ", ".join(sorted(ESTIMATORS[name].needs - sample.fields))
            if family != _FAMILIES[type(sample)]:
                lacks = f"a log of {family.log_of}"
            raise InvalidInputError(f"{name} needs {lacks}; this log has what {', '.join(possible)} need")


def _require_range(log: Log, question: OpeOptions) -> None:
    """Rewards are in the range that was stated; for a guaranteed interval so are the model's expectations, of
    slates and trajectories those of all slots or steps to come."""
    if question.rewards is None:
        return
    sample, low, high = log.sample, question.rewards.low, question.rewards.high
    allowed = f"{low:.6g} to {high:.6g}"
    _require_within("reward", log.rewards, low, high, allowed)
    if not question.interval.guaranteed:
        return
    least, most = np.array([low]), np.array([high])
    if sample.slots > 1:
        to_come = np.arange(sample.slots, 0, -1)
        least, most = min(low, 0.0) * to_come, max(high, 0.0) * to_come
        allowed += f" for each {sample.choice} to come"
    for name in sorted(sample.fields):
        if name.startswith(("q_logged", "v_target")):
            _require_within(name, getattr(sample, name), least, most, allowed)


def _require_within(
    name: str, values: Floats, least: Floats | float, most: Floats | float, allowed: str
) -> None:
    outside = (values < least) | (values > most)
    if outside.any():
        raise InvalidInputError(
            f"{name} is outside {allowed}, which --range allows, in {np.count_nonzero(outside)} of "
            f"{values.size} places: it reaches from {values.min():.6g} to {values.max():.6g}"
        )

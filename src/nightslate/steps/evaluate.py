"""Every learner off-policy, on later days and on other users than it was fitted on; and the day's
evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.estimators.bounded_model import Bounded
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.estimators.estimator import RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.intervals import INTERVALS, Bootstrap, Interval
from nightslate.core.estimators.results import results
from nightslate.core.policies import Arms, LinearThompson
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.examination import Examination
from nightslate.kernels.progressive import Progressive
from nightslate.kernels.training import AnyLearner, Lessons, encoder_for, winsorised
from nightslate.programs.days import first_day
from nightslate.programs.evaluation import Evaluation
from nightslate.reports.estimands import in_words as estimand
from nightslate.steps import sequences
from nightslate.steps.cohorts import cohorts, waited_for
from nightslate.steps.evidence import CHANGED, take_evidence
from nightslate.steps.examination import examination_metrics, examined, in_words, surface_column
from nightslate.steps.inputs import (
    described_arms,
    learners,
    lessons_learnt,
    logs_to_weigh,
    matured_logs,
    model_seed,
    value_counts,
)
from nightslate.steps.learnt import Evaluated
from nightslate.steps.night import ISSUE, Night, shared_with_other_nights

_REWARD_MODEL = "reward model"


def run(night: Night) -> str:
    """A pure function of the logs up to ds: the champion is not looked up, every pair is compared."""
    rules = night.program.evaluation
    interval = _interval(rules)
    found = sequences.evaluated(night, interval) if night.program.sequence else _on_impressions(night)
    estimated = partial(results, confidence=rules.confidence, interval=interval, rewards=_reward_range(night))
    cross_fitted = estimated(found.cross_fitted)
    by_estimand = {
        "progressive": _progressive(found, estimated),
        "cross_fitted": [{**_ends(_window(night)), **asdict(estimate)} for estimate in cross_fitted],
    }
    table = night.table("evaluations")
    schema = arrow_contracts.schema(table.contract, partition=False)
    rows = pa.Table.from_pylist(
        [
            {"issue": ISSUE, "estimand": estimand, **line}
            for estimand, lines in by_estimand.items()
            for line in lines
        ],
        schema,
    )
    for name, others in found.tables.items():
        night.table(name).replace(night.ds, others, night.commit_metadata)
    table.replace(night.ds, rows, night.commit_metadata)
    with shared_with_other_nights():  # whoever comes first has written the same terms
        taken = take_evidence(night, found.progressive.evidence, found.cohorts)
    _track(night, rows, {**found.metrics, "evidence.cohorts": taken.cohorts}, {CHANGED: taken.days_changed})
    first = cross_fitted[0]
    warning = f"; {first.policy}: {first.remark}" if first.remark else ""
    return (
        f"{len(night.program.learners)} policies on {first.n} {found.units} of {first.clusters}"
        f" users{found.words}{warning}; {taken.in_words}{_waits(night)}"
    )


def _progressive(
    found: Evaluated, estimated: Callable[[EvaluationState], list[Estimate]]
) -> list[dict[str, Any]]:
    """Each policy, then each pair, over all days that it has models of."""
    rows: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for comparison, state in zip(found.cohorts.comparisons, found.progressive.estimates, strict=True):
        for estimate in estimated(state):
            key = estimate.policy, estimate.reference, estimate.estimator
            rows.setdefault(key, {**_ends(sorted(comparison.days)), **asdict(estimate)})
    return sorted(rows.values(), key=lambda row: row["reference"] is not None)


def _waits(night: Night) -> str:
    days = waited_for(night)
    return f"; evidence of days before waits for the outcomes of {', '.join(map(str, days))}" if days else ""


def _on_impressions(night: Night) -> Evaluated:
    """Impressions one by one, or the decisions that they are slots of."""
    rules = night.program.evaluation
    learnt_from = matured_logs(night, rules.window_days)
    arms = night.arms()
    context = [feature.name for feature in night.program.logs.context]
    counts = value_counts(night, learnt_from, (*{*context, *surface_column(night), "arm_id", "reward"},))
    encoder = encoder_for(night.program.logs.context, counts)
    seen = winsorised(encoder, counts)
    examination = examined(night, learnt_from, counts, rules.folds)
    fitted = learners(night)
    lessons = Lessons(
        matured=learnt_from.matured,
        learners={**fitted, _REWARD_MODEL: _reward_model(night)},
        encoder=encoder,
        arms=arms,
        folds=rules.folds,
        examined=examination.for_folds,
        seen_as={_REWARD_MODEL: seen},
    )
    taught = lessons_learnt(night, learnt_from, lessons)
    crossfit = _crossfit(night, described_arms(night, encoder), fitted, taught, examination.for_folds)
    least, most = _possible(night, counts["reward"])
    evaluator = Evaluator(
        arms=arms,
        supported=np.array([arm in counts["arm_id"] for arm in arms]),
        encoder=encoder,
        floor=night.program.floor,
        estimators=night.program.estimators,
        slots=night.program.slots if night.program.weighs_decisions else 1,
        crossfit=replace(
            crossfit, reward_model=[Bounded(model, seen, least, most) for model in crossfit.reward_model]
        ),
        rewards=_reward_range(night) if _interval(rules).guaranteed else None,
    )
    logs, left_out = logs_to_weigh(night, learnt_from)
    whole = cohorts(night)
    how = Progressive(whole, evaluator, frozenset(counts["arm_id"]), night.name)
    states = night.engine.fold(how.initial(), lambda tables: how.update(logs.rows(tables)), logs.work)
    cross_fitted, progressive = how.found(states)
    return Evaluated(
        cross_fitted=cross_fitted,
        cohorts=whole,
        progressive=progressive,
        units="decisions that count" if night.program.weighs_decisions else "impressions that count",
        metrics=examination_metrics(examination, "evaluation.examination"),
        words=in_words(examination) + left_out,
    )


def _window(night: Night) -> list[date]:
    """The first and the last day that the evaluation reads."""
    return [first_day(night.ds, night.program.evaluation.window_days), night.ds]


def _ends(days: Sequence[date]) -> dict[str, date | None]:
    """The days shown that an estimate is about, which are in order."""
    return {"first_day": days[0] if days else None, "last_day": days[-1] if days else None}


def _interval(rules: Evaluation) -> Interval:
    return Bootstrap(rules.resamples) if rules.interval == Bootstrap.name else INTERVALS[rules.interval]


def _reward_range(night: Night) -> RewardRange | None:
    """What one reward can be; rewards that are estimates may be more."""
    known = night.program.evaluation.reward_range
    return RewardRange(*known) if known and night.program.rewards.maturity == "exclude" else None


def _possible(night: Night, counts: Mapping[str, int]) -> tuple[float, float]:
    """The range of rewards, or else of those that there were: a model expects nothing outside of it."""
    known = _reward_range(night)
    if known:
        return known.low, known.high
    return min(map(float, counts), default=0.0), max(map(float, counts), default=0.0)


def _crossfit(
    night: Night,
    arms: Arms,
    fitted: Mapping[str, AnyLearner],
    states: Mapping[str, Sequence[Any]],
    examination: Sequence[Examination],
) -> CrossFit:
    """What is fitted for the users of each fold, with the seeds that the night's models have."""
    policies = {
        name: [learner.fit(state, arms, model_seed(night, name)) for state in states[name]]
        for name, learner in fitted.items()
    }
    reward_model = [_reward_model(night).fit(state, arms, seed=0) for state in states[_REWARD_MODEL]]
    return CrossFit(policies, reward_model, examination)


def _reward_model(night: Night) -> LinearThompson:
    """The regression whose expectations DR corrects; only its means are used, never its draws."""
    return LinearThompson(ridge=night.program.evaluation.reward_model_ridge, draws=1)


def _track(night: Night, rows: pa.Table, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    tracked = night.run()
    tracked.log_metrics(metrics)
    weighed = [row for row in rows.to_pylist() if row["n"]]
    estimands = {f"nightslate.estimand.{row['estimand']}": estimand(row) for row in weighed}
    tracked.set_tags({**tags, **estimands})
    for row in rows.to_pylist():
        if row["reference"] is None:
            policy = f"{row['estimand']}.{row['policy']}"
            name = f"{policy}.{row['estimator']}"
            tracked.log_metrics(
                {name: row["value"], f"{name}.lower": row["lower"], f"{name}.upper": row["upper"]}
            )
            tracked.log_metrics({f"{policy}.ess": row["ess"], f"{policy}.mean_weight": row["mean_weight"]})

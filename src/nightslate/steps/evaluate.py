"""Every learner off-policy, on users that it was not fitted on."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.policies import LinearThompson
from nightslate.frames.evaluation import CrossFit, Evaluator, evaluate
from nightslate.frames.training import AnyLearner, FoldStates, encoder_for, fold_states, value_counts
from nightslate.steps.inputs import categories, context_types, learners, matured_sample, model_seed
from nightslate.steps.night import ISSUE, Night

_REWARD_MODEL = "reward model"


def run(night: Night) -> str:
    """A pure function of the logs up to ds: the champion is not looked up, every pair is compared."""
    rules = night.program.evaluation
    sample = matured_sample(night, rules.window_days)
    arms = night.arms()
    counts = value_counts(night.spark, sample, (*categories(night), "arm_id"))
    encoder = encoder_for(context_types(night), counts)
    fitted = learners(night)
    states = fold_states(
        night.spark, sample, {**fitted, _REWARD_MODEL: _reward_model(night)}, encoder, arms, rules.folds
    )
    evaluator = Evaluator(
        arms=arms,
        supported=np.array([arm in counts["arm_id"] for arm in arms]),
        encoder=encoder,
        floor=night.program.floor,
        resamples=rules.resamples,
        crossfit=_crossfit(night, fitted, states, rules.folds),
    )
    estimates = evaluate(night.spark, sample, evaluator).results(rules.confidence)
    table = night.table("evaluations")
    schema = arrow_contracts.schema(table.contract, partition=False)
    rows = pa.Table.from_pylist([{"issue": ISSUE, **asdict(estimate)} for estimate in estimates], schema)
    table.replace(night.ds, rows, night.commit_metadata)
    _track(night, rows)
    first = estimates[0]
    return f"{len(fitted)} policies on {first.n} matured impressions of {first.clusters} users"


def _crossfit(night: Night, fitted: dict[str, AnyLearner], states: FoldStates, folds: int) -> CrossFit:
    """What is fitted without each fold in turn, with the seeds that the night's models have."""
    policies = {
        name: [states.policy(name, learner, model_seed(night, name), fold) for fold in range(folds)]
        for name, learner in fitted.items()
    }
    reward_model = [states.policy(_REWARD_MODEL, _reward_model(night), 0, fold) for fold in range(folds)]
    return CrossFit(policies, reward_model)  # type: ignore[arg-type]


def _reward_model(night: Night) -> LinearThompson:
    """The regression whose expectations DR corrects; only its means are used, never its draws."""
    return LinearThompson(ridge=night.program.evaluation.reward_model_ridge)


def _track(night: Night, rows: pa.Table) -> None:
    tracked = night.run()
    for row in rows.to_pylist():
        if row["reference"] is None:
            name = f"{row['policy']}.{row['estimator']}"
            tracked.log_metrics(
                {name: row["value"], f"{name}.lower": row["lower"], f"{name}.upper": row["upper"]}
            )
            tracked.log_metrics(
                {f"{row['policy']}.ess": row["ess"], f"{row['policy']}.mean_weight": row["mean_weight"]}
            )

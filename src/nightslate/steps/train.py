"""Every learner on the matured impressions of a window; models into MLflow, digests into a table."""

from __future__ import annotations

import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.errors import ContractError
from nightslate.frames.training import encoder_for, fold_states, value_counts
from nightslate.models.files import ModelFile
from nightslate.models.tracking import NightRun
from nightslate.steps.examination import examination_metrics, examined, in_words, surface_column
from nightslate.steps.inputs import (
    categories,
    described_arms,
    learners,
    matured_sample,
    model_seed,
)
from nightslate.steps.night import ISSUE, Night


def run(night: Night) -> str:
    """The same logs up to ds give the same models, digest for digest."""
    arms = night.arms()
    if len(arms) < night.program.slots:
        raise ContractError(f"{len(arms)} arms on {night.ds} can't fill {night.program.slots} slots")
    sample = matured_sample(night, night.program.training.window_days)
    counts = value_counts(night.spark, sample, (*categories(night), *surface_column(night)))
    encoder = encoder_for(night.program.logs.context, counts)
    examination = examined(night, sample, counts, folds=1)
    fitted = learners(night)
    states = fold_states(night.spark, sample, fitted, encoder, arms, 1, examination.for_folds)
    tracked = NightRun.start(night.mlflow, night.home, night.name, night.ds)
    tracked.log_params(
        {"ds": night.ds, "arms": len(arms), "features": encoder.width, **night.commit_metadata}
    )
    rows, described = [], described_arms(night, encoder)
    for name, learner in fitted.items():
        (state,) = states[name]
        policy = learner.fit(state, described, model_seed(night, name))
        model = ModelFile(learner.kind, name, arms, encoder, policy)
        version = night.registry.register(model, tracked, night.ds)
        tracked.log_params({f"{name}.digest": model.digest, f"{name}.version": version})
        rows.append((ISSUE, name, model.digest, state.rows, len(arms)))
    table = night.table("models")
    schema = arrow_contracts.schema(table.contract, partition=False)
    columns = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    table.replace(night.ds, pa.table(columns, schema=schema), night.commit_metadata)
    delays = sample.maturity.median_delays() if sample.maturity else {}
    tracked.log_metrics(
        {
            "matured_impressions": rows[0][3],
            **examination_metrics(examination),
            **{f"delay.{kind}.median_days": days for kind, days in delays.items()},
        }
    )
    return (
        f"{len(rows)} models on {rows[0][3]} matured impressions, {len(arms)} arms, {encoder.width} features"
        f"{in_words(examination)}"
    )

"""Every learner on what is known of a window; models into MLflow, digests into a table."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow as arrow_contracts
from nightslate.errors import ContractError
from nightslate.kernels.training import Lessons, encoder_for, reward_range
from nightslate.models.files import ModelFile
from nightslate.models.tracking import NightRun
from nightslate.programs.meaning import policy_settings
from nightslate.steps import sequences
from nightslate.steps.delays import delays_found
from nightslate.steps.examination import examination_metrics, examined, in_words, surface_column
from nightslate.steps.inputs import (
    Logs,
    categories,
    described_arms,
    learners,
    lessons_learnt,
    matured_logs,
    model_seed,
    value_counts,
)
from nightslate.steps.learnt import Trained
from nightslate.steps.night import ISSUE, Night, shared_with_other_nights
from nightslate.steps.promote import untaught_champion


def run(night: Night) -> str:
    """This night's models, and those of earlier nights that never ran and whose models tonight's cohorts are
    weighed by: so the order in which nights run changes nothing."""
    with shared_with_other_nights():
        offered, wanted = night.table("arms").snapshot().days(), night.nights_without_models
        trained = _train(night)
        for day in wanted:
            if day in offered:
                earlier = night.at(day)
                _train(earlier)
                earlier.run().finish()  # of that night there is nothing more to do
        return trained


def _train(night: Night) -> str:
    """The same logs up to ds give the same models, digest for digest."""
    arms = night.arms()
    if len(arms) < night.program.slots:
        raise ContractError(f"{len(arms)} arms on {night.ds} can't fill {night.program.slots} slots")
    trained = sequences.trained(night) if night.program.sequence else _on_impressions(night)
    tracked = NightRun.start(night.mlflow, night.home, night.name, night.ds)
    tracked.log_params(
        {"ds": night.ds, "arms": len(arms), "features": trained.encoder.width, **night.commit_metadata}
    )
    rows = []
    for name, (policy, count) in trained.policies.items():
        model = ModelFile(night.program.learners[name].kind, name, arms, trained.encoder, policy)
        version = night.registry.register(model, tracked, night.ds)
        tracked.log_params({f"{name}.digest": model.digest, f"{name}.version": version})
        settings = policy_settings(night.program, name)
        rows.append((ISSUE, name, model.digest, count, len(arms), *trained.reward_range, settings))
    table = night.table("models")
    schema = arrow_contracts.schema(table.contract, partition=False)
    columns = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    table.replace(night.ds, pa.table(columns, schema=schema), night.commit_metadata)
    for name, others in trained.tables.items():
        night.table(name).replace(night.ds, others, night.commit_metadata)
    tracked.log_metrics(trained.metrics)
    for name, curve in trained.curves.items():
        tracked.log_curve(name, curve)
    untaught = untaught_champion(night)
    return (
        f"{len(rows)} models on {trained.words}, {len(arms)} arms, {trained.encoder.width} features"
        f"{f'. Look: {untaught}' if untaught else ''}"
    )


def _on_impressions(night: Night) -> Trained:
    """Impressions one by one, those that count by now."""
    logs, arms = matured_logs(night, night.program.training.window_days), night.arms()
    counts = value_counts(night, logs, (*categories(night), *surface_column(night)))
    encoder = encoder_for(night.program.logs.context, counts)
    examination = examined(night, logs, counts, folds=1)
    fitted = learners(night)
    lessons = Lessons(logs.matured, fitted, encoder, arms, 1, examination.for_folds)
    states = lessons_learnt(night, logs, lessons)
    described = described_arms(night, encoder)
    policies = {
        name: (learner.fit(states[name][0], described, model_seed(night, name)), states[name][0].rows)
        for name, learner in fitted.items()
    }
    rows = next(count for _, count in policies.values())
    delays = delays_found(night, logs.matured)
    return Trained(
        encoder=encoder,
        policies=policies,
        reward_range=_reward_range(night, logs),
        metrics={"matured_impressions": rows, **examination_metrics(examination), **delays.metrics},
        words=f"{rows} impressions that count{in_words(examination)}{delays.words}",
        tables=delays.tables,
    )


def _reward_range(night: Night, logs: Logs) -> tuple[float | None, float | None]:
    """The least and the most that an impression that counts has earned; None of none."""
    found = night.engine.map(lambda tables: reward_range(logs.rows(tables)), logs.work)
    return pc.min(found["min"]).as_py(), pc.max(found["max"]).as_py()

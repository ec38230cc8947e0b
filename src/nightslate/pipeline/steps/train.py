"""Every learner on what is known of a window; models into MLflow, digests into a table."""

from __future__ import annotations

import json

from nightslate.errors import ContractError
from nightslate.models.files import ModelFile
from nightslate.models.tracking import NightRun
from nightslate.pipeline.arms import arm_ids, costs_of_no_arm, offered_arms
from nightslate.pipeline.champion_reigns import untaught_champion
from nightslate.pipeline.fitting import encoder_of, lines_of_no_arm
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.lookback import nights_without_models, shared_with_other_nights
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.releases import release_of
from nightslate.pipeline.units import task_of
from nightslate.programs.meaning import policy_settings
from nightslate.serving.mlmodel import package
from nightslate.serving.release import RELEASES
from nightslate.tables import Table


def run(
    night: IssueNight,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    credits: Table,
    transitions: Table,
    arms: Table,
    promotions: Table,
    models: Table,
    delays: Table,
) -> str:
    """This night's models, and those of earlier nights that never ran and whose models tonight's cohorts are
    weighed by: so the order in which nights run changes nothing."""
    logs = LogTables(impressions, features, features_of_arms, credits, transitions)
    with shared_with_other_nights():
        offered, wanted = arms.snapshot().days(), nights_without_models(night, models)
        trained = _train(night, logs, arms, models, delays)
        for day in wanted:
            if day in offered:
                earlier = night.at(day)
                _train(earlier, logs, arms, models, delays)
                earlier.run().finish()  # of that night there is nothing more to do
    warnings = (
        untaught_champion(night, promotions, models),
        costs_of_no_arm(night, arms),
        lines_of_no_arm(night, offered_arms(night, arms)),
    )
    return trained + "".join(f". Look: {warning}" for warning in warnings if warning)


def _train(night: IssueNight, logs: LogTables, arms: Table, models: Table, delays: Table) -> str:
    """The same logs up to ds give the same models, digest for digest."""
    read = [table.snapshot() for table in (logs.impressions, logs.credits, logs.transitions, arms)]
    offered, issue = offered_arms(night, arms), night.issue
    ids, of_several = arm_ids(offered), f" of the issue {night.only}" if night.only else ""
    if len(ids) < issue.slots:
        raise ContractError(f"{len(ids)} arms on {night.ds} can't fill {issue.slots} slots{of_several}")
    trained = task_of(night).trained(night, logs, offered)
    tracked = NightRun.start(night.mlflow, night.home, night.name, night.ds, issue.name)
    facts = {"ds": night.ds, "arms": len(ids), "features": trained.encoder.width, **night.commit_metadata}
    tracked.log_params(facts)
    tracked.log_tables(read, "training")
    low, high = trained.reward_range
    rows, releases = [], []
    for name, (policy, count) in trained.policies.items():
        encoder = encoder_of(night, name, trained.encoder)
        model = ModelFile(issue.learners[name].kind, name, ids, encoder, policy)
        release = release_of(night, offered, model)
        version = night.registry.register(model, package(release), tracked, night.ds)
        releases.append(release.digest)
        tracked.log_version(name, model.digest, version)
        rows.append(
            {
                "issue": issue.name,
                "learner": name,
                "digest": model.digest,
                "rows": count,
                "arms": len(ids),
                "reward_low": low,
                "reward_high": high,
                "settings": policy_settings(issue, name),
            }
        )
    recorded = {**night.commit_metadata, RELEASES: json.dumps(releases)}
    models.replace(night.ds, models.typed(rows), recorded)
    for name, found in trained.tables.items():
        table = {"delays": delays}[name]
        table.replace(night.ds, table.typed(found), night.commit_metadata)
    tracked.log_metrics(trained.metrics)
    for name, curve in trained.curves.items():
        tracked.log_curve(name, curve)
    return f"{len(rows)} models on {trained.words}, {len(ids)} arms, {trained.encoder.width} features"

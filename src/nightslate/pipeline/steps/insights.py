"""What drives the champion's choices, and what each arm earns."""

from __future__ import annotations

from nightslate.engines import Work
from nightslate.kernels.insights import Showings
from nightslate.pipeline.arm_insights import arm_rows, models_by_day
from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.champion_regression import ChampionRegression
from nightslate.pipeline.champion_reigns import champion_as_of, digest_of
from nightslate.pipeline.channels import channels_tonight
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.matured_logs import matured_logs
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.served_users import UserTables, slated_users
from nightslate.tables import Table


def run(
    night: IssueNight,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    credits: Table,
    transitions: Table,
    users: Table,
    arms: Table,
    risks: Table,
    withheld: Table,
    capped: Table,
    issue_choices: Table,
    models: Table,
    promotions: Table,
    insights: Table,
) -> str:
    """The champion is that of the nights before, by which tonight's slates are scored."""
    asked, issue = night.issue.insights, night.issue
    if asked is None:
        return "nothing is asked for"
    logs = LogTables(impressions, features, features_of_arms, credits, transitions)
    champion, offered = champion_as_of(night, promotions), offered_arms(night, arms)
    ids = arm_ids(offered)
    model = night.registry.load(digest_of(night, models, champion))
    regression = ChampionRegression.of(night, champion, model, offered)
    matured = matured_logs(night, logs, ids, issue.training.window_days)
    lessons = regression.lessons(matured) if regression else None
    showings = Showings(night.name, ids, models_by_day(night, models, champion), lessons)
    states = night.engine.fold(
        showings.initial(), lambda tables: showings.update(matured.rows(tables)), matured.work
    )
    rows = arm_rows(ids, showings.responses(states), issue.evaluation.confidence)
    if regression:
        known_of = UserTables(users, features, features_of_arms, risks)
        looked_at = night.program.columns_of_contexts
        inputs, served = slated_users(night, known_of, arms, withheld, capped, issue_choices, looked_at)
        slated, channels = Work(inputs, night.program.buckets), channels_tonight(night, arms)
        rows += regression.rows(asked, states, matured, slated, served, channels)
    common = {"issue": issue.name, "learner": champion, "confidence": issue.evaluation.confidence}
    written = insights.typed([common | row for row in rows])
    insights.replace(night.ds, written, night.commit_metadata)
    of_champion = "" if regression else f"; {champion} has no coefficients to tell of"
    return f"{written.num_rows} figures of {len(ids)} arms and of what drives {champion}{of_champion}"

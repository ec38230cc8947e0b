"""What each treatment of an experiment does to each user: models of effects, judged by users that they did
not learn from, and the scores that allocation goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa

from nightslate.core.effects import EstimatedEffects, LinearEffects
from nightslate.engines import Tables, Work
from nightslate.errors import ContractError
from nightslate.kernels.effect_scores import SCORES, EffectScores
from nightslate.kernels.finished_users import VARIANT
from nightslate.kernels.risks import users_at_ends
from nightslate.models.effect_files import EffectFile
from nightslate.models.tracking import NightRun
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.effect_fitting import LEAST_USERS, Fitted, counted, fitted, worth_of
from nightslate.pipeline.effect_inputs import finished_users
from nightslate.pipeline.effect_models import (
    in_words,
    leader_before,
    leader_tonight,
    model_rows,
    reliability,
)
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_inputs import ReadoutTables, allocated
from nightslate.programs.allocation import Allocation
from nightslate.tables import Table


def run(
    night: IssueNight,
    users: Table,
    features: Table,
    impressions: Table,
    outcomes: Table,
    activity: Table,
    credits: Table,
    arms: Table,
    assignments: Table,
    allocations: Table,
    effect_models: Table,
    scores: Table,
) -> str:
    """A function of the logs up to ds, of the assignments that nights before recorded and of which model led
    then: a rerun gives the same rows, and an old night moves nothing of today."""
    asked = night.issue.allocation
    if asked is None:
        return "shares follow no context"
    tracked = NightRun.start(night.mlflow, night.home, night.name, night.ds, night.issue.name)
    tracked.log_params({"ds": night.ds, **night.commit_metadata})
    tables = ReadoutTables(assignments, allocations, impressions, outcomes, credits, activity, features, arms)
    tracked.log_tables([each.snapshot() for each in (assignments, outcomes, users)], "effects")
    dealt = allocated(night, allocations, assignments)
    leader = leader_before(night, asked, effect_models)
    made, by_variant = None, dict[str, int]()
    if dealt.shares:
        with finished_users(night, asked, dealt, tables, users) as found:
            counts = counted(night, found)
            by_variant = dict(counts.by_column[VARIANT])
            made = fitted(night, asked, dealt.variants, found, counts, leader)
    files = _files(asked, made) if made else {}
    leads = leader_tonight(night, made) if made else leader
    digests = {name: file.digest for name, file in files.items()}
    rows = model_rows(night, asked, by_variant, made, digests, leads)
    scored = _score(night, asked, files.get(leads), users, features, scores)
    effect_models.replace(night.ds, effect_models.typed(rows), night.commit_metadata)
    if made is None:
        return _too_few(night, by_variant)
    _track(night, tracked, made, files, rows)
    return f"{scored} scores of {night.slate_date}; {in_words(made, leads, rows)}"


def _files(asked: Allocation, made: Fitted) -> dict[str, EffectFile]:
    """By model the file of what all users taught."""
    treatments, encoder = made.lessons.treatments, made.lessons.encoder
    return {
        name: EffectFile(name, treatments, asked.score.metrics, encoder, model.of_all)
        for name, model in made.models.items()
        if isinstance(model.of_all, LinearEffects | EstimatedEffects)
    }


def _score(
    night: IssueNight,
    asked: Allocation,
    file: EffectFile | None,
    users: Table,
    features: Table,
    scores: Table,
) -> int:
    """Publishes the scores of all users of the day; none without a model. Returns how many there are."""
    known, landed = known_features(night), [column.name for column in night.program.logs.context]
    inputs = {"users": bucket_input(night, users, ("user_id", "ds", *landed), night.ds)}
    if not users.is_written(night.ds):
        raise ContractError(
            f"the users of {night.ds} have not been taken in yet: run the step `ingest` first"
        )
    if known is not None:
        since = night.ds + timedelta(days=1)
        inputs["features"] = features_input(night, features, since).of_users_in("users")
    issue, today = night.issue, {night.ds}
    scoring = None
    if file is not None:
        told = file.treatments, file.encoder, file.model, worth_of(asked)
        scoring = EffectScores(issue.name, issue.salt, *told)

    def scored(tables: Tables) -> dict[str, pa.Table]:
        if scoring is None:
            return {"scores": SCORES.empty_table()}
        people = users_at_ends(tables["users"], tables.get("features"), known, today)
        return {"scores": scoring(people)}

    work = Work(inputs, night.program.buckets)
    staged = night.engine.write(scored, work, {"scores": scores.begin(night.slate_date)})["scores"]
    scores.publish(staged, night.commit_metadata)
    return staged.rows


def _too_few(night: IssueNight, by_variant: Mapping[str, int]) -> str:
    """Why there are no scores."""
    control = str(night.issue.experiment.control)
    names = [control, *sorted({*night.issue.variants} - {control})]
    known = ", ".join(f"{by_variant.get(name, 0)} of {name}" for name in names)
    return (
        f"no scores of {night.slate_date}: it takes {LEAST_USERS} users of the control and of a treatment"
        f" whose time is over, and there are {known}; shares are those of everyone"
    )


def _track(
    night: IssueNight,
    tracked: NightRun,
    made: Fitted,
    files: Mapping[str, EffectFile],
    rows: list[dict[str, object]],
) -> None:
    tracked.log_params({"features": made.lessons.encoder.width})
    tracked.log_params({f"effects.{name}.digest": file.digest for name, file in files.items()})
    for file in files.values():
        file.log(tracked)
    tracked.log_file(json.dumps([*reliability(night, made)], indent=1), "effects/reliability.json")
    figures = dict[str, float | None]()
    for row in rows:
        for name in ("effect", "slope", "autoc"):
            figures[f"effects.{row['model']}.{row['variant']}.{name}"] = _number(row.get(name))
        figures[f"effects.{row['model']}.value"] = _number(row.get("value"))
    tracked.log_metrics(figures)


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None

"""Detectors of risk, fitted on days of which it is known what came, and what they expect of users now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from nightslate.core.detection import Holdout, detector, held_out
from nightslate.core.hashing import seed
from nightslate.core.policies import EpsilonGreedy
from nightslate.core.policies.epsilon_greedy import EpsilonGreedyPolicy
from nightslate.core.policies.row_sample import RowSample
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.risks import Horizon, Lessons, risks_of_users, users_at_ends
from nightslate.kernels.training import arm_key, encoder_for
from nightslate.kernels.value_counts import ValueCounts
from nightslate.models.files import ModelFile, scored_by
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.fitting import categories
from nightslate.pipeline.night import Night
from nightslate.programs.detectors import Detector
from nightslate.tables import Table

_LATE = 0.25
"""The share of the days that a fit on those before them is judged on."""

Days = Mapping[str, Sequence[date]]


def run(night: Night, users: Table, features: Table, outcomes: Table, risks: Table) -> str:
    """A pure function of the logs up to ds: what came after a day is known once its whole horizon is over."""
    there, detectors = {*users.snapshot().days()}, night.program.detectors
    days = {name: [day for day in each.days(night.ds) if day in there] for name, each in detectors.items()}
    learners = {
        name: EpsilonGreedy(each.estimator, each.parameters, epsilon=0.0, max_rows=each.max_rows)
        for name, each in detectors.items()
    }
    encoder, states = _taught(night, users, features, outcomes, days, learners)
    models, words = {}, []
    for name, learner in learners.items():
        early, late, drawn = states[name, False], states[name, True], seed(night.name, name, str(night.ds))
        fitted = detector(learner, early.merge(late), arm_key(name), drawn)
        judged = held_out(learner, early, late, arm_key(name), drawn)
        words.append(f"{name}: {_in_words(detectors[name], early.merge(late), fitted, judged)}")
        if fitted is not None:
            models[name] = _saved(night, ModelFile(learner.kind, name, (name,), encoder, fitted))
    scored = {name: scored_by(model) for name, model in models.items()}
    known, today = known_features(night), {night.ds}

    def expected(tables: Tables) -> dict[str, pa.Table]:
        rows = users_at_ends(tables["users"], tables.get("features"), known, today)
        return {"risks": risks_of_users(scored, rows)}

    work = Work(_inputs(night, users, features, night.ds), night.program.buckets)
    staged = night.engine.write(expected, work, {"risks": risks.begin(night.ds)})["risks"]
    risks.publish(staged, night.commit_metadata)
    return f"{staged.rows} risks of users; {'; '.join(words)}"


def _taught(
    night: Night,
    users: Table,
    features: Table,
    outcomes: Table,
    days: Days,
    learners: Mapping[str, EpsilonGreedy],
) -> tuple[Encoder, dict[tuple[str, bool], RowSample]]:
    """The encoder of what is known of users, and by detector what its early and its late days teach."""
    every = sorted({day for of in days.values() for day in of})
    since, known = every[0] if every else night.ds, known_features(night)
    inputs = _inputs(night, users, features, since)
    context, program = night.program.context, night.program
    nothing = ValueCounts.initial(categories(night))

    def rows_of(tables: Tables) -> pa.Table:
        return users_at_ends(tables["users"], tables.get("features"), known, every)

    counts = night.engine.fold(
        {"counts": nothing},
        lambda tables: [("counts", nothing.update(rows_of(tables)))],
        Work(inputs, program.buckets),
    )
    encoder = encoder_for(context, counts["counts"].by_column)
    late = {name: frozenset(of[len(of) - math.ceil(_LATE * len(of)) :]) for name, of in days.items()}
    lessons = Lessons(
        horizons={name: Horizon(each.of, each.within) for name, each in program.detectors.items()},
        learners=learners,
        early={name: frozenset(of) - late[name] for name, of in days.items()},
        late=late,
        encoder=encoder,
    )
    inputs["outcomes"] = bucket_input(night, outcomes, ("user_id", "kind", "occurred_at"), since)
    states = night.engine.fold(
        lessons.initial(),
        lambda tables: lessons.update(rows_of(tables), tables["outcomes"]),
        Work(inputs, program.buckets),
    )
    return encoder, states


def _inputs(night: Night, users: Table, features: Table, since: date) -> dict[str, Input]:
    """Users of the days from `since` on, and their features as of the ends of these days."""
    landed = [column.name for column in night.program.logs.context]
    inputs = {"users": bucket_input(night, users, ("user_id", "ds", *landed), since)}
    if known_features(night):
        inputs["features"] = features_input(night, features, since + timedelta(days=1)).of_users_in("users")
    return inputs


def _saved(night: Night, model: ModelFile) -> ModelFile:
    """The model, once its files are in the warehouse, in a folder of its digest."""
    folder = night.warehouse.detector(night.name, model.learner, model.digest)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)
    return model


def _in_words(
    said: Detector, rows: RowSample, fitted: EpsilonGreedyPolicy | None, judged: Holdout | None
) -> str:
    horizon, sample = said.within // timedelta(hours=1), rows.sample()
    came = float(sample.rewards @ sample.weights) / max(float(sample.weights.sum()), 1.0)
    taught = f"{rows.rows} users of days, {came:.2%} of whom {said.of} followed within {horizon} hours"
    if fitted is None:
        return f"WARNING: can't be fitted on {taught}, so nobody is concerned by it"
    if judged is None:
        return f"{taught}; too few to judge it on later days"
    return (
        f"{taught}; on later days AUC {judged.auc:.3f}, Brier score {judged.brier:.4f} (of the mean"
        f" {judged.brier_of_mean:.4f})"
    )

"""The models of an issue, fitted on what is known by a moment within the day."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from nightslate.core.policies.learner import State
from nightslate.errors import ContractError
from nightslate.kernels.training import Earned, Lessons
from nightslate.kernels.value_counts import ValueCounts
from nightslate.models.files import ModelFile
from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.fitting import (
    arms_by_learner,
    categories,
    context_encoder,
    encoder_of,
    fitted_policies,
    learners,
    looked_at,
)
from nightslate.pipeline.hourly_lessons import HourlyLogs, Units, counts_by_hour, counts_of, learn_by_hour
from nightslate.pipeline.kept_states import KeptStates
from nightslate.pipeline.matured_logs import lessons_learnt, matured_logs, value_counts
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.open_day import OpenDay

_EARNED = "earned"


@dataclass(frozen=True)
class Refitted:
    """`models`: by learner, with how many impressions each was fitted to; `offered`: the arms that they
    choose among; `units`: of (bucket, hour); `window_anew`: whether the days before were learnt anew."""

    models: Mapping[str, tuple[ModelFile, int]]
    offered: pa.Table
    units: Units
    window_anew: bool


def learners_kept(night: IssueNight) -> dict[str, str]:
    """The learners whose models stay those of the night before, and why."""
    issue = night.issue
    if counts_by_hour(night):
        return dict.fromkeys(issue.epsilon_ranges, "a night chooses its epsilon")
    if issue.sequence:
        return dict.fromkeys(issue.learners, "it learns from trajectories")
    if issue.examination:
        return dict.fromkeys(issue.learners, "how slots are looked at is a night's estimate")
    return dict.fromkeys(issue.learners, "rewards.maturity weighs all young impressions anew")


def refitted(night: IssueNight, day: OpenDay, known_until: datetime) -> Refitted:
    """Every other learner, on the impressions of the training window whose own windows have ended by then.

    The models are those that the step `train` of the day comes to, once all of it has landed. Raises
    ContractError where the arms can't fill the slots."""
    issue, window = night.issue, night.issue.training.window_days
    offered = offered_arms(night, day.table("arms", issue.name))
    arms = arm_ids(offered)
    if len(arms) < issue.slots:
        raise ContractError(f"{len(arms)} arms on {night.ds} can't fill {issue.slots} slots of {issue.name}")
    matured = matured_logs(night, day.logs(issue.name), arms, window)
    hourly = HourlyLogs.of(night, matured, known_until)
    said = hashlib.sha256(night.program.model_dump_json().encode()).hexdigest()
    kept = KeptStates(day.home / "states" / issue.name, said)
    counted = counts_of(night, hourly, categories(night), _counts_before(night, hourly, kept))
    encoder = context_encoder(night, counted, offered)
    fitted = {
        name: learner
        for name, learner in learners(night, dict.fromkeys(issue.epsilon_ranges, 0.0), offered).items()
        if name not in learners_kept(night)
    }
    described = arms_by_learner(night, offered, encoder, fitted)
    lessons = Lessons(matured.matured, fitted, encoder, arms, 1, beside=looked_at(described))
    before, window_anew = _taught_before(night, hourly, lessons, kept)
    learnt = learn_by_hour(night, hourly, lessons, before, kept.of_hours(lessons))
    policies = fitted_policies(night, fitted, learnt.states, described)
    models = {
        name: (
            ModelFile(issue.learners[name].kind, name, arms, encoder_of(night, name, encoder), policy),
            rows,
        )
        for name, (policy, rows) in policies.items()
    }
    return Refitted(models, offered, learnt.units, window_anew)


def _counts_before(
    night: IssueNight, hourly: HourlyLogs, kept: KeptStates
) -> Mapping[str, Mapping[str, int]]:
    """The values of categories among the impressions that counted before the day."""
    name, nothing = kept.name_of("counts", None, hourly.before), ValueCounts.initial(categories(night))
    found = kept.find(name, {"counts": nothing})
    if found is None:
        counts = value_counts(night, hourly.before, categories(night))
        kept.keep(name, {"counts": ValueCounts(counts)})
        return counts
    return found["counts"].by_column  # type: ignore[no-any-return]


def _taught_before(
    night: IssueNight, hourly: HourlyLogs, lessons: Lessons, kept: KeptStates
) -> tuple[tuple[Mapping[str, tuple[State, ...]], Earned], bool]:
    """What the impressions that counted before the day teach, and have earned; whether it was learnt now."""
    name = kept.name_of("before", lessons, hourly.before)
    states: dict[str, Any] = {
        f"state.{learner}": state[0] for learner, state in lessons.states(lessons.initial()).items()
    }
    found = kept.find(name, {**states, _EARNED: Earned.initial()})
    if found is not None:
        by_learner = {learner: (found[f"state.{learner}"],) for learner in lessons.learners}
        return (by_learner, found[_EARNED]), False
    taught, earned = lessons_learnt(night, hourly.before, lessons)
    kept.keep(name, {**{f"state.{learner}": state[0] for learner, state in taught.items()}, _EARNED: earned})
    return (taught, earned), True

"""Tonight's arms ranked for every user of the day, and staged; nothing that a reader sees changes yet."""

from __future__ import annotations

import json
from dataclasses import replace

from pyspark.sql import DataFrame

from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Goal
from nightslate.frames.buckets import BucketInput
from nightslate.frames.exposure import solve_goals
from nightslate.frames.scoring import ScoredBy, Scoring, choose, score, slates_of
from nightslate.programs.spec import Variant
from nightslate.steps.cohorts import scored_by
from nightslate.steps.goals import goals, priorities, reached, steering
from nightslate.steps.inputs import bucket_input
from nightslate.steps.night import ISSUE, Night
from nightslate.steps.promote import champion_as_of, digest_of
from nightslate.tables import spark as spark_tables


def run(night: Night) -> str:
    """The champion is that of the nights before, so a backfill scores with what was champion then."""
    champion = champion_as_of(night)
    scoring = Scoring(
        program=night.name,
        issue=ISSUE,
        slate_date=night.slate_date,
        depth=night.program.depth,
        floor=night.program.floor,
        variants={
            name: (variant.share, _scored_by(night, variant, champion))
            for name, variant in sorted(night.program.variants.items())
        },
        steering=steering(night),
        randomised=frozenset(night.program.variants) - frozenset(night.program.steered),
    )
    context = (feature.name for feature in night.program.logs.context)
    users = bucket_input(night, "users", ("user_id", *context), night.ds)
    slates, met = _slates(night, users, scoring)
    table = night.table("slates")
    attempt = table.begin(night.slate_date)
    spark_tables.write(slates, attempt, sort_by=("user_id", "issue"))
    staged = attempt.seal()
    return f"{staged.rows} slates of {night.slate_date} staged, champion {champion}{met}"


def _slates(night: Night, users: BucketInput, scoring: Scoring) -> tuple[DataFrame, str]:
    """The slates, and what to say of the goals that they meet."""
    if not night.program.exposure or not any(file.rows for file in users.files):
        return score(night.spark, users, scoring, night.program.buckets), ""
    choices = choose(night.spark, users, scoring, night.program.buckets).persist()
    wanted, arms = goals(night), night.arms()
    solution = solve_goals(
        choices,
        scoring,
        arms,
        wanted,
        priorities(night),
        night.program.slots,
        night.program.exposure_tolerance,
        _say_pass,
    )
    _track(night, arms, wanted, solution)
    multipliers = dict(zip(arms, solution.multipliers.tolist(), strict=True))
    steered = replace(scoring, steering=replace(scoring.steering, multipliers=multipliers))
    got = ", ".join(f"{name} {value:.4g}" for name, value in reached(wanted, solution).items())
    return slates_of(choices, steered), f"; goals met in {solution.passes} passes: {got}"


def _say_pass(number: int) -> None:
    print(f"score: exposures of all users, pass {number}", flush=True)


def _track(night: Night, arms: tuple[str, ...], wanted: tuple[Goal, ...], solution: Solution) -> None:
    tracked, got = night.run(), reached(wanted, solution)
    for goal, multiplier in zip(wanted, solution.by_goal.tolist(), strict=True):
        tracked.log_params({f"exposure.{goal.name}.asked": goal.share or goal.exposures})
        tracked.log_metrics(
            {f"exposure.{goal.name}": got[goal.name], f"exposure.{goal.name}.multiplier": multiplier}
        )
    by_arm = {
        arm: {"multiplier": multiplier, "exposures": exposures}
        for arm, multiplier, exposures in zip(
            arms, solution.multipliers.tolist(), solution.exposures.tolist(), strict=True
        )
    }
    tracked.log_file(json.dumps(by_arm, indent=1), "exposure.json")


def _scored_by(night: Night, variant: Variant, champion: str) -> ScoredBy:
    learner = champion if variant.policy == "champion" else variant.policy
    return scored_by(night.registry.load(digest_of(night, learner)))

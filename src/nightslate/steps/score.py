"""Tonight's arms ranked for every user of the day, and staged; nothing that a reader sees changes yet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution, solve
from nightslate.core.policies.exposure_goals import Goal
from nightslate.engines import Work
from nightslate.engines.exchange import Part, Rows
from nightslate.engines.work import Unit
from nightslate.kernels.exposure import exposures
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import CHOICES, SLATES, ScoredBy, Scoring, in_chunks
from nightslate.programs.spec import Variant
from nightslate.steps.cohorts import scored_by
from nightslate.steps.goals import goals, priorities, reached, steering
from nightslate.steps.inputs import bucket_input
from nightslate.steps.night import ISSUE, Night
from nightslate.steps.promote import champion_as_of, digest_of
from nightslate.tables import Attempt, Staged

_ORDER = [("user_id", "ascending"), ("issue", "ascending")]


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
    work, attempt = (
        Work({"users": users}, night.program.buckets),
        night.table("slates").begin(night.slate_date),
    )
    if night.program.exposure and users.rows:
        staged, met = _with_goals(night, work, scoring, attempt)
    else:
        made = night.engine.write(lambda tables: _slates(scoring, tables["users"]), work, {"slates": attempt})
        staged, met = made["slates"], ""
    return f"{staged.rows} slates of {night.slate_date} staged, champion {champion}{met}"


def _slates(scoring: Scoring, users: pa.Table) -> dict[str, pa.Table]:
    return {"slates": scoring.scored(users).sort_by(_ORDER)}


def _with_goals(night: Night, work: Work, scoring: Scoring, attempt: Attempt) -> tuple[Staged, str]:
    """The slates, and what to say of the goals that they meet. What models choose is computed once, and gone
    through again and again."""

    def choices(unit: Unit) -> Iterator[tuple[Part, pa.Table]]:
        for chosen in scoring.choices(unit.read()["users"]):
            yield ("choices", unit.bucket), chosen

    scratch = night.warehouse.scratch(night.name)
    with night.engine.exchange(choices, work.units, work.rows, scratch) as chosen:
        by_bucket = [(bucket, chosen["choices", bucket]) for bucket in range(work.buckets)]
        solution = _solved(night, [rows for _, rows in by_bucket], scoring)
        multipliers = dict(zip(night.arms(), solution.multipliers.tolist(), strict=True))
        steered = replace(scoring, steering=replace(scoring.steering, multipliers=multipliers))

        def slates(rows: Rows) -> dict[str, pa.Table]:
            parts = [steered.slates(part) for part in in_chunks(rows.read(CHOICES))]
            return {"slates": pa.concat_tables([SLATES.empty_table(), *parts]).sort_by(_ORDER)}

        staged = night.engine.write_buckets(slates, by_bucket, work.rows, {"slates": attempt})["slates"]
    wanted = goals(night)
    _track(night, night.arms(), wanted, solution)
    got = ", ".join(f"{name} {value:.4g}" for name, value in reached(wanted, solution).items())
    return staged, f"; goals met in {solution.passes} passes: {got}"


def _solved(night: Night, choices: Sequence[Rows], scoring: Scoring) -> Solution:
    """The multipliers of arms that meet the program's goals over all users.

    Randomised users count and are not steered, so what they are shown is summed once. Raises
    InvalidInputError that names the goals which can't be met."""
    arms, slots, passes = night.arms(), night.program.slots, count(1)
    steered = frozenset(scoring.variants) - scoring.randomised

    def over_users(now: Scoring, variants: frozenset[str]) -> Floats:
        def totals(rows: Rows) -> pa.Table:
            return pa.table({"totals": [exposures(rows.read(CHOICES), now, variants, arms, slots)]})

        found = night.engine.run(totals, choices, sum(rows.count for rows in choices))
        nothing = np.zeros(len(arms))
        return np.asarray(sum((matrix(of["totals"])[0] for of in found), nothing))

    unsteered = over_users(scoring, scoring.randomised)

    def over_all_users(multipliers: Floats) -> Floats:
        _say_pass(next(passes))
        by_arm = dict(zip(arms, multipliers.tolist(), strict=True))
        now = replace(scoring, steering=replace(scoring.steering, multipliers=by_arm))
        return unsteered + over_users(now, steered)

    return solve(goals(night), over_all_users, slots, priorities(night), night.program.exposure_tolerance)


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

"""Tonight's arms ranked for every user of the day, and staged; nothing that a reader sees changes yet."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution, solve
from nightslate.core.policies.exposure_goals import Budget, Goal, Unmoved
from nightslate.core.policies.exposure_prices import reward_prices
from nightslate.engines import Tables, Work
from nightslate.engines.exchange import Part, Rows
from nightslate.engines.work import Unit
from nightslate.kernels.assignments import ASSIGNMENTS, Assignment
from nightslate.kernels.budget_draws import slates
from nightslate.kernels.scoring import CHOICES, SLATES, ScoredBy, Scoring, in_chunks
from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.champion_reigns import champion_as_of
from nightslate.pipeline.channels import channels_tonight
from nightslate.pipeline.experiments import OTHERS, allocation_rows, assignment_tonight
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.served_users import Served, UserTables, slated_users
from nightslate.pipeline.slate_budgets import BudgetUse, budgets, budgets_of_no_arm, drawn_groups, track, uses
from nightslate.pipeline.slate_goals import adjustment, goals, priorities, reached
from nightslate.pipeline.user_choices import UserChoices
from nightslate.pipeline.variant_models import variant_models
from nightslate.tables import Attempt, Staged, Table

_ORDER = [("user_id", "ascending"), ("issue", "ascending")]


def run(
    night: IssueNight,
    users: Table,
    arms: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    withheld: Table,
    capped: Table,
    models: Table,
    promotions: Table,
    issue_choices: Table,
    slates: Table,
    allocations: Table,
    assignments: Table,
    multipliers: Table,
) -> str:
    """The champion is that of the nights before, so a backfill scores with what was champion then."""
    issue, champion, offered = night.issue, champion_as_of(night, promotions), offered_arms(night, arms)
    assignment = assignment_tonight(night, allocations)
    scoring = replace(
        scoring_by(night, offered, assignment, variant_models(night, models, champion)),
        channels=channels_tonight(night, arms),
    )
    known_of = UserTables(users, features, features_of_arms, risks)
    work, served = users_to_score(night, known_of, arms, withheld, capped, issue_choices)
    attempts = {"slates": slates.begin(night.slate_date)}
    if _records_assignments(night):
        attempts["assignments"] = assignments.begin(night.slate_date)
    if (issue.exposure or issue.budgets) and work.inputs["users"].rows:
        staged, met = _with_goals(night, work, scoring, served, attempts, offered, multipliers)
    else:
        staged, met = staged_slates(night, work, scoring, served, attempts), ""
    rows = allocation_rows(night, assignment)
    allocations.replace(night.slate_date, allocations.typed(rows), night.commit_metadata)
    if "assignments" in staged:
        assignments.publish(staged["assignments"], night.commit_metadata)
    others = f"; {_say_others(night, staged)}" if issue.external else ""
    unused = f". Look: {warning}" if (warning := budgets_of_no_arm(night, arms)) else ""
    made = f"{staged['slates'].rows} slates of {night.slate_date} staged, champion {champion}"
    return f"{made}{met}{others}{unused}"


def scoring_by(
    night: IssueNight, offered: pa.Table, assignment: Assignment, variants: Mapping[str, ScoredBy]
) -> Scoring:
    """How the slates of the night are made, by the model of each variant, for slates among the arms on
    offer."""
    issue = night.issue
    return Scoring(
        program=night.name,
        issue=issue.name,
        slate_date=night.slate_date,
        depth=issue.depth,
        floor=issue.floor,
        assignment=assignment,
        variants=dict(sorted(variants.items())),
        adjustment=adjustment(night, offered),
        randomised=frozenset(issue.scored) - frozenset(issue.adjusted),
        external=issue.external,
    )


def users_to_score(
    night: IssueNight,
    known_of: UserTables,
    arms: Table,
    withheld: Table,
    capped: Table,
    issue_choices: Table,
) -> tuple[Work, Served]:
    """The users of the day with their contexts: what is read, and who of them gets slates."""
    looked_at = night.program.columns_of_contexts
    inputs, served = slated_users(night, known_of, arms, withheld, capped, issue_choices, looked_at)
    return Work(inputs, night.program.buckets), served


def staged_slates(
    night: IssueNight, work: Work, scoring: Scoring, served: Served, attempts: Mapping[str, Attempt]
) -> dict[str, Staged]:
    """What is written, where no goal or budget is to be met over all users."""

    def scored(tables: Tables) -> dict[str, pa.Table]:
        users = served(tables)
        assigned = scoring.assignment.rows(users, scoring.issue)
        return _written(scoring.scored(users), assigned, attempts)

    return night.engine.write(scored, work, attempts)


def _records_assignments(night: IssueNight) -> bool:
    """Whether it is recorded whom the experiment deals where: once it has begun, and always where somebody
    else decides for some, who have no slate to say so."""
    start = night.issue.experiment.start
    return start is None or night.slate_date >= start or bool(night.issue.external)


def _written(slates: pa.Table, assigned: pa.Table, wanted: Container[str]) -> dict[str, pa.Table]:
    """What is written of some users, to those of the tables that are wanted."""
    written = {"slates": slates.sort_by(_ORDER), "assignments": assigned.sort_by("user_id")}
    return {name: rows for name, rows in written.items() if name in wanted}


def _say_others(night: IssueNight, staged: Mapping[str, Staged]) -> str:
    """How many users somebody else decides for, who are assigned and have no slate; also into the night's
    run."""
    count = staged["assignments"].rows - staged["slates"].rows
    night.run().log_metrics({OTHERS: count})
    return f"for {count} users of {', '.join(sorted(night.issue.external))} somebody else decides"


def _with_goals(
    night: IssueNight,
    work: Work,
    scoring: Scoring,
    served: Served,
    attempts: Mapping[str, Attempt],
    offered: pa.Table,
    solved: Table,
) -> tuple[dict[str, Staged], str]:
    """What is written, and what to say of the goals that the slates meet. What models choose is computed
    once, and gone through again and again; the multipliers go to `solved`, for who serves these models."""
    ids, wanted, limits = arm_ids(offered), goals(night, offered), budgets(night, offered)
    places = {(unit.bucket, unit.part): place for place, unit in enumerate(work.units)}

    def choices(unit: Unit) -> Iterator[tuple[Part, pa.Table]]:
        users, place = served(unit.read()), places[unit.bucket, unit.part]
        if "assignments" in attempts:
            yield ("assignments", place), scoring.assignment.rows(users, scoring.issue)
        for chosen in scoring.choices(users, expecting=bool(limits)):
            yield ("choices", place), chosen

    with night.engine.exchange(choices, work.units, work.rows, night.scratch) as chosen:
        of_units = [(chosen["choices", place], chosen["assignments", place]) for place in places.values()]
        users = UserChoices(night.engine, [of_users for of_users, _ in of_units], ids, night.issue.slots)
        solution, used = _solved(night, users, scoring, wanted, limits, offered)
        multipliers = dict(zip(ids, solution.multipliers.tolist(), strict=True))
        adjusted = replace(scoring, adjustment=replace(scoring.adjustment, multipliers=multipliers))
        groups = drawn_groups(limits, offered) if limits and night.issue.slots == 1 else ()
        settled = users.first_groups(adjusted, groups) if groups else None

        def ranked(of_unit: tuple[Rows, Rows]) -> dict[str, pa.Table]:
            of_users, assigned = of_unit
            read = of_users.read(CHOICES)
            made = (
                map(adjusted.slates, in_chunks(read))
                if settled is None
                else slates(read, adjusted, groups, settled)
            )
            made_of_unit = pa.concat_tables([SLATES.empty_table(), *made])
            return _written(made_of_unit, assigned.read(ASSIGNMENTS), attempts)

        parts = [(*at, of_unit) for at, of_unit in zip(places, of_units, strict=True)]
        staged = night.engine.write_parts(ranked, parts, work.rows, attempts)
    rows = _multiplier_rows(night, ids, solution)
    solved.replace(night.slate_date, solved.typed(rows), night.commit_metadata)
    _track(night, rows, wanted, solution, used)
    got = [f"{name} {value:.4g}" for name, value in reached(wanted, solution).items()]
    met = f"; goals met in {solution.passes} passes: {', '.join(got)}" if got else ""
    kept = [f"{use.name} {use.expected:.6g} of {use.most:.6g}" for use in used]
    return staged, met + (f"; budgets kept in {solution.passes} passes: {', '.join(kept)}" if kept else "")


def _solved(
    night: IssueNight,
    users: UserChoices,
    scoring: Scoring,
    goals: tuple[Goal, ...],
    budgets: tuple[Budget, ...],
    offered: pa.Table,
) -> tuple[Solution, list[BudgetUse]]:
    """The multipliers of arms that meet the goals and keep the budgets over all users, and what comes of each
    budget.

    Randomised users count and are not adjusted, so what they are shown is summed once. Raises
    InvalidInputError that names the goals and budgets which can't be met."""
    passes, adjusted = count(1), frozenset(scoring.variants) - scoring.randomised
    randomised = users.exposures(scoring, scoring.randomised)
    unmoved = Unmoved(randomised, users.floor_exposures(scoring, adjusted)) if budgets else None

    def multiplied(multipliers: Floats) -> Scoring:
        by_arm = dict(zip(users.arms, multipliers.tolist(), strict=True))
        return replace(scoring, adjustment=replace(scoring.adjustment, multipliers=by_arm))

    def over_all_users(multipliers: Floats) -> Floats:
        _say_pass(next(passes))
        return randomised + users.exposures(multiplied(multipliers), adjusted)

    def with_reward(multipliers: Floats) -> tuple[Floats, float]:
        now = multiplied(multipliers)
        return randomised + users.exposures(now, adjusted), users.expected_reward(now, adjusted)

    tolerance = night.issue.exposure_tolerance
    solution = solve(
        goals,
        over_all_users,
        night.issue.slots,
        priorities(night, offered),
        tolerance,
        budgets=budgets,
        unmoved=unmoved,
    )
    if not budgets:
        return solution, []
    rewards = reward_prices(goals, budgets, solution, with_reward)
    return solution, uses(night, budgets, solution, randomised, rewards)


def _say_pass(number: int) -> None:
    print(f"score: exposures of all users, pass {number}", flush=True)


def _multiplier_rows(night: IssueNight, arms: tuple[str, ...], solution: Solution) -> list[dict[str, Any]]:
    """Rows of the table `multipliers`."""
    by_arm = zip(arms, solution.multipliers.tolist(), solution.exposures.tolist(), strict=True)
    return [
        {"issue": night.issue.name, "arm_id": arm, "multiplier": multiplier, "exposures": exposures}
        for arm, multiplier, exposures in by_arm
    ]


def _track(
    night: IssueNight,
    rows: Sequence[Mapping[str, Any]],
    wanted: tuple[Goal, ...],
    solution: Solution,
    used: Sequence[BudgetUse],
) -> None:
    tracked, got = night.run(), reached(wanted, solution)
    for goal, multiplier in zip(wanted, solution.by_goal.tolist(), strict=True):
        tracked.log_params({f"exposure.{goal.name}.asked": goal.share or goal.exposures})
        tracked.log_metrics(
            {f"exposure.{goal.name}": got[goal.name], f"exposure.{goal.name}.multiplier": multiplier}
        )
    by_arm = {row["arm_id"]: {name: row[name] for name in ("multiplier", "exposures")} for row in rows}
    tracked.log_file(json.dumps(by_arm, indent=1), "exposure.json")
    track(tracked, used)

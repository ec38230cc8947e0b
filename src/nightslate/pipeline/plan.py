"""The steps of a night, and the plan that follows from what each reads and writes.

Airflow's DAG and `nightslate run` are both made from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightslate.errors import SpecError
from nightslate.pipeline import step_runs
from nightslate.pipeline.tasks import Step, Task
from nightslate.programs import Program
from nightslate.programs.retention import LEARNT_FROM, SHOWN_ALONE

DASHBOARD, DATA_DOCS = "dashboard", "data_docs"
OF_ALL_NIGHTS = (DASHBOARD, DATA_DOCS)
"""Steps that leave nothing for the nights after them: of several nights in a row the last may do."""


def plan(program: Program) -> tuple[Task, ...]:
    """The night of a program, in an order in which it can be run."""
    tasks: list[Task] = []
    for step in STEPS:
        if step.belongs_to(program):
            tasks += [_after(tasks, Task(step, issue)) for issue in _issues(program, step)]
    return tuple(tasks)


def tasks_named(program: Program, step: str, issue: str | None = None) -> list[Task]:
    """The tasks of a step: that of one issue, or all. Raises SpecError where the night has none."""
    if issue is not None:
        program.issue(issue)
    tasks = plan(program)
    known = dict.fromkeys(task.step.name for task in tasks)
    if step not in known:
        raise SpecError(f"no step {step!r}; the steps of a night are {', '.join(known)}")
    return [t for t in tasks if t.step.name == step and (issue is None or t.issue in (None, issue))]


def _issues(program: Program, step: Step) -> Sequence[str | None]:
    return list(program.issues) if step.per_issue else [None]


def _after(tasks: Sequence[Task], task: Task) -> Task:
    """With those tasks before it that no other task between them already waits for."""
    feeding = [earlier for earlier in tasks if earlier.feeds(task)]
    waited_for = frozenset[Task]().union(*(earlier.before for earlier in feeding))
    return Task(task.step, task.issue, tuple(earlier for earlier in feeding if earlier not in waited_for))


def _makes_slates(program: Program) -> bool:
    return program.makes_slates


def _allocates(program: Program) -> bool:
    return program.allocates


def _has_sequences(program: Program) -> bool:
    return any(issue.sequence is not None for issue in program.issues.values())


def _has_controls(program: Program) -> bool:
    return any(issue.evaluation.controls for issue in program.issues.values())


def _reads_out(program: Program) -> bool:
    return any(issue.experiment.metrics for issue in program.issues.values())


def _forgets_by_age(program: Program) -> bool:
    return program.retention is not None


def _tells_insights(program: Program) -> bool:
    return any(issue.insights for issue in program.issues.values())


LOGS = ("impressions", "outcomes", "users", "arms", "references", "activity", "signals")

STEPS = (
    Step(
        name="ingest",
        does="Checks the landing files of the day, row by row, into tables and quarantine.",
        run=step_runs.ingest,
        looks_up=("slates", "models", "promotions", *sorted(LEARNT_FROM - {*LOGS, "slates"})),
        writes=(*LOGS, "quarantine"),
        heavy=True,
    ),
    Step(
        name="attribute",
        does="Credits the day's outcomes to the impressions before them.",
        run=step_runs.attribute,
        reads=("outcomes", "impressions", "arms"),
        looks_up=("models",),
        writes=("credits", "unattributed"),
        heavy=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="features",
        does="Aggregates what users did, as it was known at the end of the day and at decisions.",
        run=step_runs.features,
        reads=("activity", "impressions", "outcomes", "arms", "credits"),
        looks_up=("models",),
        writes=("feature_states", "features", "features_of_arms", "feature_drift"),
        heavy=True,
        belongs_to=lambda program: bool(program.features),
    ),
    Step(
        name="detect",
        does="Fits detectors of risk on days that are over; says what they expect of each user.",
        run=step_runs.detect,
        reads=("users", "features", "outcomes"),
        writes=("risks",),
        heavy=True,
        belongs_to=lambda program: bool(program.detectors),
    ),
    Step(
        name="audit_served",
        does="Recomputes each decision that the app has served, before anyone learns from it.",
        run=step_runs.audit_served,
        reads=("impressions", "features"),
        looks_up=("models", "multipliers", "allocations"),
        writes=("served_decisions", "impressions:recomputed"),
        heavy=True,
        belongs_to=lambda program: program.serving is not None,
    ),
    Step(
        name="transitions",
        does="Puts a user's decisions together that follow one another, with their rewards.",
        run=step_runs.transitions,
        reads=("impressions", "features", "credits"),
        looks_up=("models",),
        writes=("transitions",),
        heavy=True,
        belongs_to=_has_sequences,
    ),
    Step(
        name="contacts",
        does="Says who gets no slate tonight, and which arms limits close to others, and why.",
        run=step_runs.contacts,
        reads=("users", "impressions", "features", "features_of_arms", "risks", "arms"),
        looks_up=("slates",),
        writes=("withheld", "capped"),
        heavy=True,
        belongs_to=lambda program: program.withholds,
    ),
    Step(
        name="train",
        does="Fits every learner on rewards that are known; registers the models.",
        run=step_runs.train,
        reads=(
            *("impressions", "impressions:recomputed", "features", "features_of_arms", "credits"),
            *("transitions", "arms"),
        ),
        looks_up=("promotions",),
        writes=("models", "delays"),
        per_issue=True,
        heavy=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="evaluate",
        does="Estimates every policy's value off-policy, with intervals.",
        run=step_runs.evaluate,
        reads=(*("impressions", "features", "features_of_arms", "credits", "transitions", "arms", "models"),),
        writes=("evaluations", "sweeps", "uplift", "evidence"),
        per_issue=True,
        heavy=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="promote",
        does="Promotes a challenger if its lower bound clears the gate.",
        run=step_runs.promote,
        reads=("models", "evaluations", "evidence"),
        writes=("promotions", "ledger"),
        per_issue=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="controls",
        does="Holds the policy that decides against policies that lack a part of it.",
        run=step_runs.controls,
        reads=(*("impressions", "features", "features_of_arms", "credits", "transitions", "arms", "models"),),
        looks_up=("promotions", "multipliers", "withheld", "slates"),
        writes=("controls",),
        per_issue=True,
        heavy=True,
        belongs_to=_has_controls,
    ),
    Step(
        name="choose",
        does="Draws one issue for each user, of those that concern it.",
        run=step_runs.choose,
        reads=("users", "features", "features_of_arms", "risks", "withheld", "models"),
        looks_up=("promotions", "allocations"),
        writes=("issue_choices",),
        heavy=True,
        belongs_to=lambda program: program.issue_choice is not None,
    ),
    Step(
        name="score",
        does="Ranks tonight's arms for every user; stages the slates.",
        run=step_runs.score,
        reads=(
            *("users", "arms", "features", "features_of_arms", "risks", "withheld", "capped", "models"),
            "issue_choices",
        ),
        looks_up=("promotions",),
        writes=("slates:staged", "allocations", "assignments", "multipliers"),
        per_issue=True,
        heavy=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="audit",
        does="Recomputes and checks what was staged, before anyone can read it.",
        run=step_runs.audit,
        reads=(
            *("users", "arms", "impressions", "features", "features_of_arms", "risks", "withheld"),
            *("capped", "allocations", "issue_choices", "slates:staged"),
        ),
        looks_up=("slates",),
        writes=("slates:audited",),
        heavy=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="publish",
        does="Publishes the audited slates in one fenced commit.",
        run=step_runs.publish,
        reads=("slates:audited",),
        writes=("slates",),
        belongs_to=_makes_slates,
    ),
    Step(
        name="send",
        does="Says what is sent to whom of the published slates, by which channel and when.",
        run=step_runs.send,
        reads=("users", "features", "features_of_arms", "risks", "arms", "slates"),
        writes=("sends",),
        per_issue=True,
        heavy=True,
        belongs_to=lambda program: program.sends is not None,
    ),
    Step(
        name="effects",
        does="Fits models of what treatments do to users, judges them, and scores the users of the day.",
        run=step_runs.effects,
        reads=("users", "features", "impressions", "outcomes", "activity", "credits", "arms"),
        looks_up=("assignments", "allocations"),
        writes=("effect_models", "scores"),
        per_issue=True,
        heavy=True,
        belongs_to=_allocates,
    ),
    Step(
        name="logged_assignments",
        does="Takes over from the logs of the day who was in which variant.",
        run=step_runs.logged_assignments,
        reads=("impressions",),
        writes=("allocations", "assignments"),
        per_issue=True,
        heavy=True,
        belongs_to=lambda program: program.assigned_by_logs,
    ),
    Step(
        name="readout",
        does="Compares the variants of the experiment with its control, by all that is known so far.",
        run=step_runs.readout,
        reads=(
            *("impressions", "outcomes", "activity", "credits", "features", "arms"),
            *("assignments", "allocations"),
        ),
        writes=("readouts", "sample_ratios", "readout_decisions", "fatigue"),
        follows=("effects",),  # which begins the night's run, that its figures go to
        per_issue=True,
        heavy=True,
        belongs_to=_reads_out,
    ),
    Step(
        name="allocate",
        does="Says who is in which variant tomorrow, by scores, limits, signals and guardrails; stages it.",
        run=step_runs.allocate,
        reads=(
            *("users", "features", "features_of_arms", "risks", "signals", "readouts"),
            *("effect_models", "scores"),
        ),
        looks_up=("stops",),
        writes=("rollouts", "allocations", "assignments:staged"),
        per_issue=True,
        heavy=True,
        belongs_to=_allocates,
    ),
    Step(
        name="assign",
        does="Recomputes every probability of the staged assignments, and publishes them in one commit.",
        run=step_runs.assign,
        reads=(
            *("users", "features", "features_of_arms", "risks", "scores", "rollouts"),
            "assignments:staged",
        ),
        writes=("assignments",),
        per_issue=True,
        heavy=True,
        belongs_to=_allocates,
    ),
    Step(
        name="insights",
        does="Says what drives the champion's choices, and what each arm earns.",
        run=step_runs.insights,
        reads=(
            *("impressions", "features", "features_of_arms", "credits", "transitions", "users", "arms"),
            *("risks", "withheld", "capped", "issue_choices", "models"),
        ),
        looks_up=("promotions",),
        writes=("insights",),
        per_issue=True,
        heavy=True,
        belongs_to=_tells_insights,
    ),
    Step(
        name="report",
        does="Writes the page of the night, and how often its slates show each arm.",
        run=step_runs.report,
        reads=(
            *(*LOGS, "quarantine", "feature_drift", "credits", "unattributed", "transitions"),
            *("withheld", "capped", "sends", "models", "delays", "evaluations", "sweeps", "uplift"),
            *("evidence", "promotions", "ledger", "issue_choices", "slates"),
            *("readouts", "readout_decisions", "fatigue", "controls", "insights"),
        ),
        writes=("exposures",),
        per_issue=True,
        belongs_to=_makes_slates,
    ),
    Step(
        name="rollout_report",
        does="Writes the page of a night whose shares follow the context, and which shares users have.",
        run=step_runs.rollout_report,
        reads=(
            *("impressions", "outcomes", "users", "activity", "signals", "quarantine", "features"),
            *("features_of_arms", "risks", "readouts", "readout_decisions", "fatigue"),
            *("effect_models", "scores", "rollouts", "assignments"),
        ),
        looks_up=("stops",),
        writes=("rollout_shares",),
        per_issue=True,
        heavy=True,
        belongs_to=_allocates,
    ),
    Step(
        name=DASHBOARD,
        does="Writes the page of all nights.",
        run=step_runs.dashboard,
        reads=(
            *("impressions", "outcomes", "quarantine", "credits", "models", "evaluations", "promotions"),
            *("references", "feature_drift", "ledger", "slates", "exposures"),
            *("readouts", "readout_decisions", "insights"),
            *("rollouts", "rollout_shares", "assignments"),
        ),
    ),
    Step(
        name=DATA_DOCS,
        does="Writes the Data Docs: each contract, held against a sample.",
        run=step_runs.data_docs,
        reads=(*LOGS, "slates", "assignments"),
    ),
    Step(
        name="retain",
        does="Removes days that are older than the program keeps them.",
        run=step_runs.retain,
        reads=(*sorted(SHOWN_ALONE | LEARNT_FROM),),
        belongs_to=_forgets_by_age,
    ),
)
STEP_NAMES = tuple(step.name for step in STEPS)

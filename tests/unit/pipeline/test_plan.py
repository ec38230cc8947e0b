"""What a night does, and which task waits for which: what each reads and writes decides."""

import inspect
import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest

from nightslate.errors import SpecError
from nightslate.pipeline.plan import STEP_NAMES, STEPS, plan, tasks_named
from nightslate.pipeline.tasks import Task
from nightslate.programs import Program

BANDIT = {
    "ingest": set(),
    "attribute": {"ingest"},
    "train": {"attribute"},
    "evaluate": {"train"},
    "promote": {"evaluate"},
    "score": {"train"},
    "audit": {"score"},
    "publish": {"audit"},
    "report": {"promote", "publish"},
    "dashboard": {"report"},
    "data_docs": {"publish"},
}
LANDED = {"impressions", "outcomes", "users", "arms", "references", "activity", "signals"}
BY_COMMANDS = {"stops"}
OF_ROLLOUTS = {"effects", "allocate", "assign", "rollout_report"}
OF_LOGGED = {"logged_assignments"}
"""Steps of programs without slates, in place of those that make them."""


def program(**changed):
    spec = {
        "program": "shop",
        "description": "a shop",
        "start_date": date(2026, 11, 16),
        "slots": 1,
        "depth": 1,
        "logs": {"propensity": "marginal"},
        "rewards": {"values": {"click": 1.0}, "window": "12h"},
        "learners": {"uniform": {"kind": "uniform"}},
        "floor": 0.1,
        "variants": {"all": {"share": 1.0, "policy": "uniform"}},
        "gate": {"first_champion": "uniform"},
    }
    return Program(**{**spec, **changed})


def sequence():
    return program(
        sequence={"gap": "2d"}, learners={"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}}
    )


def rollout():
    models = {"m": {"kind": "linear"}}
    return without_slates(allocation={"range": 0.4, "score": {"benefit": "orders", "models": models}})


def of_somebody_else():
    return without_slates(assigned_by="logs")


def without_slates(**said):
    external = {name: {"share": 0.5, "policy": "external"} for name in ("old", "new")}
    asked = {"control": "old", "metrics": {"orders": {"source": "outcomes", "window": "7d"}}, **said}
    return Program(
        program="shop",
        description="a shop",
        start_date=date(2026, 11, 16),
        logs={"propensity": "marginal"},
        variants=external,
        experiment=asked,
    )


def with_contact_rules():
    return program(contacts={"gap": "2d"})


def with_sends():
    logs = {
        "propensity": "marginal",
        "context": [{"name": "mail", "type": "category"}],
        "arm_features": [{"name": "channel", "type": "category"}],
    }
    channels = {"email": {"consent": "mail == yes"}}
    return {"logs": logs, "sends": {"channel": "channel", "channels": channels}}


def of_issues(*names):
    return program(issues={name: {} for name in names})


def edges(program):
    """By task those that it waits for itself."""
    return {task.name: {earlier.name for earlier in task.after} for task in plan(program)}


def per_issue(name):
    """The bandit's tasks of an issue, and of those that all issues share."""
    alone = {step.name for step in STEPS if step.per_issue}
    named = {step: f"{name}.{step}" if step in alone else step for step in BANDIT}
    return {named[step]: {named[earlier] for earlier in after} for step, after in BANDIT.items()}


def test_the_steps_of_a_bandit():
    assert edges(program()) == BANDIT


def test_decisions_that_follow_one_another_are_put_together_before_anyone_learns_from_them():
    assert edges(sequence()) == {**BANDIT, "transitions": {"attribute"}, "train": {"transitions"}}


def test_whom_contact_rules_withhold_is_known_before_anybody_is_scored():
    expected = {**BANDIT, "contacts": {"ingest"}, "score": {"contacts", "train"}}
    assert edges(with_contact_rules()) == expected
    assert "withheld" in next(step for step in STEPS if step.name == "score").reads


def test_what_is_sent_follows_from_what_was_published():
    found = edges(program(**with_sends()))
    contacts = {"contacts": {"ingest"}, "score": {"contacts", "train"}}
    sends = {"send": {"publish"}, "report": {"promote", "send"}}
    assert found == {**BANDIT, **contacts, **sends}


def test_nobody_learns_from_served_decisions_before_they_are_recomputed():
    served = program(serving={})
    assert edges(served) == {**BANDIT, "audit_served": {"ingest"}, "train": {"attribute", "audit_served"}}


def test_issues_wait_for_what_they_share_and_not_for_one_another():
    found, home, mail = edges(of_issues("home", "mail")), per_issue("home"), per_issue("mail")
    assert found == {name: home.get(name, set()) | mail.get(name, set()) for name in home | mail}
    assert found["audit"] == {"home.score", "mail.score"}
    assert found["home.report"] == {"home.promote", "publish"}
    assert len(found) == 16


def test_issues_are_drawn_once_all_are_trained_and_before_any_is_scored():
    without, found = (
        edges(program(issues={"home": {}, "mail": {}}, **said))
        for said in ({}, {"issue_choice": {"baseline": "nothing"}})
    )
    drawn = {"choose": {"home.train", "mail.train"}, "home.score": {"choose"}, "mail.score": {"choose"}}
    assert found == {**without, **drawn}


def test_risks_are_known_before_anyone_is_drawn_or_scored_by_them():
    found = edges(program(detectors={"leaving": {"of": "cancellation", "within": "14d"}}))
    assert found == {**BANDIT, "detect": {"ingest"}, "score": {"detect", "train"}}


def test_an_experiment_is_read_out_once_slates_are_scored_and_before_the_page_is_written():
    variants = {name: {"share": 0.5, "policy": "uniform"} for name in ("old", "new")}
    asked = {"control": "old", "metrics": {"reward": {"source": "rewards"}}}
    found = edges(program(variants=variants, experiment=asked))
    expected = {"readout": {"score"}, "report": {"promote", "publish", "readout"}}
    assert found == {**BANDIT, **expected}


def test_who_decides_is_held_against_controls_before_the_page_is_written():
    found = edges(program(evaluation={"controls": ["random"]}))
    assert found == {**BANDIT, "controls": {"train"}, "report": {"promote", "publish", "controls"}}


def test_insights_are_told_once_the_night_is_trained_and_before_the_page_is_written():
    asked = program(insights={})
    expected = {"insights": {"train"}, "report": {"insights", "promote", "publish"}}
    assert edges(asked) == {**BANDIT, **expected}


def test_one_issue_by_a_name_of_its_own_waits_as_the_only_one_does():
    assert edges(of_issues("home")) == per_issue("home")


@pytest.mark.parametrize(
    "of", [program(), sequence(), with_contact_rules(), of_issues("home", "mail", "web")]
)
def test_a_task_comes_after_all_whose_rows_it_reads(of):
    tasks = plan(of)
    assert len({task.name for task in tasks}) == len(tasks)
    for number, task in enumerate(tasks):
        feeding = {earlier for earlier in tasks if earlier.feeds(task)}
        assert feeding <= task.before == task.before & {*tasks[:number]}
        assert {*task.after} <= feeding
        for earlier in task.after:  # none of them is waited for by another one
            assert not any(earlier in other.before for other in task.after)


def test_an_edge_is_a_table_that_one_writes_and_the_other_reads():
    train, score = (step for step in STEPS if step.name in ("train", "score"))
    assert Task(train, "home").feeds(Task(score, "home"))
    assert not Task(train, "home").feeds(Task(score, "mail"))
    assert Task(train, None).feeds(Task(score, "mail"))
    blind = replace(score, reads=("users", "arms"), looks_up=("models",))
    assert not Task(train, "home").feeds(Task(blind, "home"))


def test_what_is_staged_is_no_slate_to_its_readers():
    readers = {step.name: {*step.reads} for step in STEPS}
    assert "slates:staged" in readers["audit"]
    assert "slates:audited" in readers["publish"]
    assert all("slates" in readers[name] for name in ("report", "data_docs"))


@pytest.mark.parametrize(
    ("steps", "as_of_before"),
    [
        ([step for step in STEPS if step.name not in OF_ROLLOUTS | OF_LOGGED], set()),
        ([task.step for task in plan(rollout())], {"assignments", "allocations"}),
        ([task.step for task in plan(of_somebody_else())], set()),
    ],
    ids=["slates", "rollouts", "logged"],
)
def test_every_table_that_is_read_is_written_by_a_step_before(steps, as_of_before):
    """A rollout's readout is of what nights before have assigned, and tonight's goes by it."""
    written, of_others = set(as_of_before), {table for step in STEPS for table in step.writes}
    for step in steps:
        of_others -= {*step.writes}
    for step in steps:
        assert {*step.reads} <= written | of_others, step.name
        assert (written - as_of_before).isdisjoint(step.writes), step.name
        written |= {*step.writes}
    assert {table for step in steps for table in step.looks_up} <= written | of_others | BY_COMMANDS


def test_a_rollout_says_who_is_in_which_variant_once_it_knows_what_they_were_worth():
    assert edges(rollout()) == {
        "ingest": set(),
        "effects": {"ingest"},
        "readout": {"effects"},
        "allocate": {"readout"},
        "assign": {"allocate"},
        "rollout_report": {"assign"},
        "dashboard": {"rollout_report"},
        "data_docs": {"assign"},
    }


def test_where_logs_say_who_is_in_which_variant_nights_read_out_alone():
    assert edges(of_somebody_else()) == {
        "ingest": set(),
        "logged_assignments": {"ingest"},
        "readout": {"logged_assignments"},
        "dashboard": {"readout"},
        "data_docs": {"logged_assignments"},
    }


@pytest.mark.parametrize("step", STEPS, ids=STEP_NAMES)
def test_a_step_is_given_the_tables_that_it_names_and_takes_no_others(step):
    """Each once, by name; a step may take all that it reads as one."""
    night, *tables = inspect.signature(step.run()).parameters.values()
    assert night.name == "night"
    if [table.kind for table in tables] == [inspect.Parameter.VAR_KEYWORD]:
        return
    assert len({*step.tables}) == len(step.tables)
    assert sorted(table.name for table in tables) == sorted(step.tables)
    assert all(table.default is inspect.Parameter.empty for table in tables)
    assert all(table.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for table in tables)


@pytest.mark.parametrize("step", STEPS, ids=STEP_NAMES)
def test_a_step_has_a_module_of_its_name_and_a_sentence(step):
    assert step.run().__module__ == f"nightslate.pipeline.steps.{step.name}"
    assert step.does.endswith(".")
    hints = inspect.get_annotations(step.run())
    assert hints["night"] == ("IssueNight" if step.per_issue else "Night")


def test_the_name_of_a_table_is_that_of_its_states_too():
    step = replace(STEPS[0], reads=("a", "b:x"), looks_up=("c", "a"), writes=("b:y", "b", "d"))
    assert step.tables == ("a", "b", "c", "d")
    assert {*STEPS[0].writes} == {*LANDED, "quarantine"}


def test_a_step_is_asked_for_by_name_for_one_issue_or_all():
    several = of_issues("home", "mail")
    assert [task.name for task in tasks_named(several, "train")] == ["home.train", "mail.train"]
    assert [task.name for task in tasks_named(several, "train", "mail")] == ["mail.train"]
    assert [task.name for task in tasks_named(several, "audit", "mail")] == ["audit"]
    assert [task.name for task in tasks_named(program(), "train", "all")] == ["train"]


@pytest.mark.parametrize(
    ("of", "step", "issue", "says"),
    [
        (program(), "bake", None, r"no step 'bake'; the steps of a night are ingest, attribute, train,"),
        (program(), "transitions", None, r"no step 'transitions'; the steps"),
        (of_issues("home", "mail"), "train", "web", r"shop has no issue 'web' \(there: home, mail\)"),
        (of_issues("home", "mail"), "ingest", "web", r"shop has no issue 'web'"),
    ],
)
def test_what_a_night_has_not_is_told(of, step, issue, says):
    with pytest.raises(SpecError, match=says):
        tasks_named(of, step, issue)


def test_a_plan_costs_no_engine_to_import():
    """A DAG file is parsed every few seconds. The interpreter is fresh: here others have imported all."""
    code = (
        "import sys, nightslate.pipeline.plan;"
        "print(sorted({'numpy', 'pyarrow', 'pyspark', 'mlflow', 'deltalake'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

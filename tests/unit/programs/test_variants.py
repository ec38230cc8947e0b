"""Variants that somebody else decides for."""

import copy

import pytest

from nightslate.programs import load

from .test_loading import SPEC, refusal, write

OF_SEQUENCES = {
    "logs": {"propensity": "conditional"},
    "learners": {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}},
}
HALVES = {"ours": {"share": 0.5, "policy": "champion"}, "theirs": {"share": 0.5, "policy": "external"}}


def shop(**keys):
    return {**copy.deepcopy(SPEC), "variants": HALVES, **keys}


def test_users_of_an_external_variant_are_scored_by_nobody(tmp_path):
    issue = load(write(tmp_path, shop())).only_issue
    assert issue.external == {"theirs"}
    assert [*issue.scored] == ["ours"]
    assert issue.adjusted == ("ours",)


def test_a_program_in_which_somebody_decides_for_everybody_is_refused(tmp_path):
    everybody = {"theirs": {"share": 1.0, "policy": "external"}}
    assert "somebody else decides for theirs, so that nobody gets slates" in refusal(
        tmp_path, shop(variants=everybody)
    )


def test_external_is_no_name_of_a_learner(tmp_path):
    learners = {**SPEC["learners"], "external": {"kind": "uniform"}}
    assert "'external' is the word for a policy of somebody else's" in refusal(
        tmp_path, shop(learners=learners)
    )


def test_what_somebody_else_shows_is_not_taken_for_randomised_traffic(tmp_path):
    says = "examination.variant: somebody else decides for theirs, so that not all traffic is randomised"
    assert says in refusal(tmp_path, shop(examination={}))
    load(write(tmp_path, shop(examination={"variant": "ours"})))


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"serving": {}}, "serving"),
        ({"issues": {"home": {}, "mail": {}}, "issue_choice": {}}, "issue_choice"),
        ({"slots": 1, "sequence": {"gap": "2d"}, **OF_SEQUENCES}, "sequence"),
    ],
)
def test_what_decides_for_all_users_does_not_go_with_it(tmp_path, keys, key):
    assert f"variants.theirs.policy: external does not go with `{key}`" in refusal(tmp_path, shop(**keys))


WITHOUT_SLATES = ("slots", "depth", "rewards", "learners", "floor", "gate")
EVERYBODY = {name: {"share": 0.5, "policy": "external"} for name in ("new", "old")}
CLICKS = {"clicks": {"source": "outcomes", "where": {"kind": "click"}}}


def logged(*, keys=(), **experiment):
    spec = {key: value for key, value in copy.deepcopy(SPEC).items() if key not in WITHOUT_SLATES}
    asked = {"assigned_by": "logs", "control": "old", "metrics": CLICKS, **experiment}
    return {**spec, "variants": EVERYBODY, "experiment": asked, **dict(keys)}


def test_where_logs_say_who_is_in_which_variant_nothing_is_said_of_slates(tmp_path):
    program = load(write(tmp_path, logged(keys={"slots": 3})))
    assert (program.publishes, program.assigned_by_logs, program.slots) == ("readouts", True, 3)
    says = "floor: logs say who is in which variant, and no variant has slates; leave it out"
    assert says in refusal(tmp_path, logged(keys={"floor": 0.1}))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (shop(experiment={"assigned_by": "logs"}), "no variant has slates"),
        (logged(keys={"variants": HALVES}), "experiment.assigned_by: users of ours get slates of its policy"),
        (logged(control=None, metrics={}), "experiment.assigned_by: nothing would come of it"),
        (logged(keys={"updates": {}}), "updates: between nights nothing changes"),
    ],
)
def test_logs_say_it_alone_and_for_a_readout(tmp_path, spec, says):
    assert says in refusal(tmp_path, spec)

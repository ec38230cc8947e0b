"""What a program may hold its champion against."""

import pytest
import yaml
from tests.unit.programs.test_examination import SPEC

from nightslate.errors import SpecError
from nightslate.programs import load

BY_RULE = {
    "variants": {"ours": {"share": 0.5, "policy": "even"}, "rule": {"share": 0.5, "policy": "external"}},
    "experiment": {"control": "rule", "metrics": {"earned": {"source": "rewards"}}},
}
GOAL = [{"name": "new", "arms": ["a"], "share": 0.1}]
CONTACTS = {"gap": "1d"}
CONDITIONAL = {"propensity": "conditional"}


def controls(folder, *names, **changed):
    spec = {**SPEC, "evaluation": {"controls": list(names)}, **changed}
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(spec).replace("'2026-11-16'", "2026-11-16"), "utf-8")
    return load(path).only_issue.evaluation.controls


def test_who_asks_for_none_has_none(tmp_path):
    assert controls(tmp_path) == ()


def test_they_stay_in_their_order(tmp_path):
    asked = ("without_levers", "eligibility_only", "random", "propensity_only")
    assert controls(tmp_path, *asked, exposure=GOAL, contacts=CONTACTS) == asked


def test_a_rule_that_is_declared_is_a_present_rule(tmp_path):
    rule = {"kind": "rule", "choose": [{"arms": "arm_id == a"}]}
    variants = {**BY_RULE["variants"], "rule": {"share": 0.5, "policy": "todays"}}
    declared = {**BY_RULE, "learners": {**SPEC["learners"], "todays": rule}, "variants": variants}
    assert controls(tmp_path, "present_rule", **declared) == ("present_rule",)


@pytest.mark.parametrize(
    ("names", "changed", "said"),
    [
        (["nobody"], {}, "'random', 'without_levers'"),
        (["random", "random"], {}, "one is named twice"),
        (["without_levers"], {}, "the issue has none of them"),
        (["propensity_only"], {"slots": 21, "depth": 21, "logs": CONDITIONAL}, "20 slots, not 21"),
        (["present_rule"], {}, "experiment.control, which is not said"),
        (["present_rule"], BY_RULE, "somebody else decides for users of rule.*a learner of kind rule"),
        (["eligibility_only"], {}, "neither `contacts` nor `sends`"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(tmp_path, names, changed, said):
    with pytest.raises(SpecError, match=said):
        controls(tmp_path, *names, **changed)

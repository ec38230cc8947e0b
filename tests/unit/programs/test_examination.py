"""What examination a program may ask for."""

import copy

import pytest
import yaml

from nightslate.errors import SpecError
from nightslate.programs import load

SPEC = {
    "program": "shop",
    "description": "a shop",
    "start_date": "2026-11-16",
    "slots": 2,
    "depth": 3,
    "logs": {"propensity": "marginal"},
    "rewards": {"values": {"click": 1.0}, "window": "12h"},
    "learners": {"even": {"kind": "uniform"}, "linear": {"kind": "linear_thompson"}},
    "floor": 0.1,
    "variants": {
        "learned": {"share": 0.9, "policy": "champion"},
        "random": {"share": 0.1, "policy": "even"},
    },
    "gate": {"first_champion": "even"},
}


def issue(folder, examination, **changed):
    spec = {**copy.deepcopy(SPEC), **changed, "examination": examination}
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(spec).replace("'2026-11-16'", "2026-11-16"), "utf-8")
    return load(path).only_issue


CONDITIONAL = {"logs": {"propensity": "conditional"}}


@pytest.mark.parametrize("variant", [None, "random", "learned"])
def test_marginal_propensities_make_any_traffic_do(tmp_path, variant):
    found = issue(tmp_path, {"variant": variant, "prior_strength": 5.0}).examination
    assert (found.variant, found.prior_strength) == (variant, 5.0)


def test_without_settings_all_traffic_is_randomised(tmp_path):
    found = issue(tmp_path, {}).examination
    assert (found.variant, found.prior_strength) == (None, 100.0)
    assert issue(tmp_path, None).examination is None


def test_a_uniform_variant_does_whatever_its_name_and_that_of_its_policy(tmp_path):
    assert issue(tmp_path, {"variant": "random"}, **CONDITIONAL).examination.variant == "random"
    one_slot = {**CONDITIONAL, "slots": 1}  # where a conditional propensity is marginal
    assert issue(tmp_path, {"variant": "learned"}, **one_slot).examination.variant == "learned"


@pytest.mark.parametrize(
    ("examination", "changed", "says"),
    [
        ({"variant": "rndom"}, {}, r"examination.variant: 'rndom' is not one of \['learned', 'random'\]"),
        ({"variant": "learned"}, CONDITIONAL, r"policy is uniform will do \(there: \['random'\]\)"),
        ({}, CONDITIONAL, "conditional propensities don't say how likely an arm was in its slot"),
        (
            {"variant": "all"},
            {**CONDITIONAL, "variants": {"all": {"share": 1.0, "policy": "linear"}}},
            r"\(there: none: add one\)",
        ),
        (
            {},
            {"rewards": {"values": {"stay": 1.0, "cancel": -1.0}, "window": "1d"}},
            "examination: rewards.values.cancel is negative",
        ),
        ({"prior_strength": 0}, {}, "examination.prior_strength: Input should be greater than 0"),
        ({"variants": "random"}, {}, "examination.variants: Extra inputs are not permitted"),
    ],
)
def test_what_examination_a_program_may_not_ask_for(tmp_path, examination, changed, says):
    with pytest.raises(SpecError, match=says):
        issue(tmp_path, examination, **changed)

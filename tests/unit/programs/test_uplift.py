"""What a program may ask about uplift."""

import pytest
import yaml
from tests.unit.programs.test_examination import SPEC

from nightslate.errors import SpecError
from nightslate.programs import load

ONE_SLOT = {**SPEC, "slots": 1, "uplift": {"baseline": "nothing"}}


def issue(folder, **changed):
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(ONE_SLOT | changed).replace("'2026-11-16'", "2026-11-16"), "utf-8")
    return load(path).only_issue


def rewards(**costs):
    return {**SPEC["rewards"], "costs": costs}


def test_help_is_held_against_an_arm(tmp_path):
    assert issue(tmp_path).uplift.baseline == "nothing"
    assert issue(tmp_path, uplift=None).uplift is None
    assert issue(tmp_path, arms={"ids": ["nothing", "call"]}, rewards=rewards(call=2.0)).uplift


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"uplift": {}}, "baseline"),
        ({"uplift": {"base": "nothing"}}, "base"),
        ({"arms": {"ids": ["call", "chat"]}}, "not one of arms.ids"),
        ({"slots": 2}, "several slots"),
        ({"examination": {}}, "examination"),
        ({"rewards": rewards(nothing=0.5)}, "rewards.costs.nothing is 0.5"),
    ],
)
def test_what_goes_with_no_baseline_is_named(tmp_path, changed, named):
    with pytest.raises(SpecError, match=named):
        issue(tmp_path, **changed)

"""What a program may ask of insights."""

import pytest
import yaml
from tests.unit.programs.test_examination import SPEC

from nightslate.errors import SpecError
from nightslate.programs import load
from nightslate.programs.insights import Insights


def issue(folder, **changed):
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(SPEC | changed).replace("'2026-11-16'", "2026-11-16"), "utf-8")
    return load(path).only_issue


def test_they_are_told_to_who_asks(tmp_path):
    assert issue(tmp_path).insights is None
    assert issue(tmp_path, insights={}).insights == Insights(effects=20, examples=3)
    assert issue(tmp_path, insights={"effects": 5, "examples": 0}).insights.examples == 0


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"insights": {"effects": 0}}, "insights.effects"),
        ({"insights": {"features": 3}}, "insights.features"),
        ({"insights": {}, "examination": {}}, "don't go with `examination`"),
    ],
)
def test_what_can_t_be_told_is_named(tmp_path, changed, named):
    with pytest.raises(SpecError, match=named):
        issue(tmp_path, **changed)

"""What a model is released with: equal bytes for equal releases, and nothing else is read."""

import json
import re

import pytest
from tests.unit.serving import shop

from nightslate.errors import ModelError
from nightslate.programs.issue_choice import IssueChoice
from nightslate.serving.release import Release


def test_a_release_comes_back_and_its_digest_tells_it_from_others():
    release = shop.release(adjustment=shop.ADJUSTED, goals=("fresh",), eligible={"device": ("phone",)})
    assert Release.from_json(release.to_json(), "release.json") == release
    others = [
        shop.release(),
        shop.release(floor=0.2),
        shop.release(depth=2),
        shop.release("uniform"),
        shop.release(eligible={"device": ("phone",)}),
        shop.release(variants={"randomised": False, "personalised": True}),
        shop.release(risks=("leaving",)),
        shop.release(choice=IssueChoice(floor=0.2)),
    ]
    assert len({one.digest for one in (release, *others)}) == 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"floor": 0.0}, "floor: Input should be greater than 0"),
        ({"floor": "0.1"}, "floor: Input should be a valid number"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
        ({"program": "../elsewhere"}, "program: String should match"),
        ({"multipliers": {"a": 0.0}}, "multipliers.a: Input should be greater than 0"),
    ],
)
def test_what_is_no_release_is_refused_by_its_key(changes, said):
    content = json.dumps({**json.loads(shop.release().to_json()), **changes}).encode()
    with pytest.raises(ModelError, match=rf"^there/release\.json is not a release .*\({re.escape(said)}"):
        Release.from_json(content, "there/release.json")
    with pytest.raises(ModelError, match=r"Train the night of this model again"):
        Release.from_json(b"{", "x")


def test_a_request_that_names_no_variant_means_the_first():
    assert shop.release().variant == "personalised"
    assert shop.release(variants={}).variant == ""


def test_a_release_that_needs_neither_says_nothing_of_features_by_arm_choices_or_detectors():
    assert not {"keyed", "choice", "risks"} & json.loads(shop.release().to_json()).keys()
    with_all = shop.release(choice=IssueChoice(floor=0.2, baseline="a"), risks=("leaving",))
    assert Release.from_json(with_all.to_json(), "release.json") == with_all

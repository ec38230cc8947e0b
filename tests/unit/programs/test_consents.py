"""What a program may ask users to agree to."""

import pytest

from nightslate.programs import load
from nightslate.programs.meaning import meaning

from .test_loading import refusal, with_, write

REGION = {"name": "region", "type": "category", "consent": "location"}
AGE = {"name": "age", "type": "number"}
VISITS = {"source": "activity", "aggregation": "count", "window": "2d", "consent": "history"}


def asking(**features):
    spec = with_("logs.context", [REGION, AGE])
    spec["logs"]["activity"] = {}
    spec["logs"]["arm_features"] = [{"name": "topic", "type": "category"}]
    spec["features"] = features
    return spec


def test_columns_and_features_name_the_consent_that_they_take(tmp_path):
    by_topic = {**VISITS, "source": "impressions", "key": ["user_id", "topic"]}
    program = load(write(tmp_path, asking(visits=VISITS, seen=by_topic, freely={**VISITS, "consent": None})))
    assert program.needs == {
        "region": "consent_location",
        "visits": "consent_history",
        "seen": "consent_history",
    }
    assert program.consents == ("consent_location", "consent_history")


def test_a_program_that_asks_for_nothing_says_nothing_of_it(tmp_path):
    """Digests of programs and releases, and what features mean, are what they were."""
    program = load(write(tmp_path, with_("logs.context", [AGE])))
    assert program.needs == {}
    assert "consent" not in program.model_dump_json()


def test_a_feature_that_asks_is_another(tmp_path):
    free, asks = (
        load(write(tmp_path, asking(visits={**VISITS, "consent": consent}))) for consent in (None, "history")
    )
    assert meaning(free, "features") != meaning(asks, "features")
    assert [*meaning(free, "feature_states")] != [*meaning(asks, "feature_states")] == []


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (
            "context",
            [REGION, {"name": "consent_location", "type": "category"}],
            "consent_location says who has",
        ),
        ("context", [{**REGION, "consent": "Where"}], "String should match pattern"),
        ("context", [{**REGION, "consent": "x" * 55}], "String should match pattern"),
        ("context", [{**REGION, "consent": ""}], "String should match pattern"),
        (
            "arm_features",
            [{**REGION, "name": "topic"}],
            "logs.arm_features.0.consent: Extra inputs are not permitted",
        ),
    ],
)
def test_what_cannot_be_asked(tmp_path, place, value, says):
    spec = asking()
    spec["logs"][place] = value
    assert says in refusal(tmp_path, spec)


@pytest.mark.parametrize(
    "feature",
    [
        {**VISITS, "source": "impressions", "key": ["arm_id"]},
        {"source": "calendar", "aggregation": "day_of_week", "consent": "location"},
    ],
)
def test_nobody_agrees_to_what_is_of_no_user(tmp_path, feature):
    assert "it is of no user, and nobody can agree to its use" in refusal(tmp_path, asking(odd=feature))


def test_a_feature_may_not_be_called_what_a_consent_is(tmp_path):
    assert "consent_location says who has agreed to the use of region" in refusal(
        tmp_path, asking(consent_location={**VISITS, "consent": None})
    )


@pytest.mark.parametrize("asked", ["segments", "metrics"])
def test_what_is_read_out_is_there_of_all(tmp_path, asked):
    visits = {**VISITS, "boundaries": [1]}
    spec = asking(last={**VISITS, "aggregation": "last", "column": "kind", "default": "none"}, visits=visits)
    metric = {"source": "features", "column": "visits"}
    spec["experiment"] = {
        "control": "random",
        "metrics": {"visits": metric if asked == "metrics" else {"source": "outcomes", "window": "1d"}},
        "segments": ["last"] if asked == "segments" else [],
    }
    said = refusal(tmp_path, spec)
    assert "takes a consent, and users who do not give it have no value to be counted by" in said

"""What a program may say of contacts, and what is no such thing."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from nightslate.programs import Program
from nightslate.programs.contacts import ContactRules

WHOLE = {
    "except": ["nothing"],
    "limits": [{"most": 2, "period": "7d"}, {"most": 5, "period": "30d"}],
    "gap": "2d",
    "opt_out": "marketing == 'no' or errors > 3",
    "quiet": {"zone": "time_zone", "days": ["saturday", "sunday"], "hours": [21, 8]},
    "holdout": {"share": 0.05, "salt": "quiet-group"},
    "expires": True,
}


def program(contacts, **changed):
    spec = {
        "program": "shop",
        "description": "a shop",
        "start_date": date(2026, 11, 16),
        "slots": 1,
        "depth": 1,
        "logs": {
            "propensity": "marginal",
            "context": [
                {"name": "marketing", "type": "category"},
                {"name": "time_zone", "type": "category"},
                {"name": "errors", "type": "number"},
            ],
        },
        "rewards": {"values": {"click": 1.0}, "window": "12h"},
        "learners": {"uniform": {"kind": "uniform"}},
        "floor": 0.1,
        "variants": {"all": {"share": 1.0, "policy": "uniform"}},
        "gate": {"first_champion": "uniform"},
        "contacts": contacts,
    }
    return Program(**{**spec, **changed})


def test_all_that_can_be_said():
    rules = program(WHOLE).contacts
    assert rules is not None
    assert rules.uncounted == ("nothing",)
    assert rules.longest_period == timedelta(days=30)
    assert rules.columns(program(WHOLE).context) == ("marketing", "errors", "time_zone")


@pytest.mark.parametrize("key", [*WHOLE])
def test_every_key_may_stand_alone(key):
    rules = program({key: WHOLE[key]}).contacts
    assert rules is not None
    assert rules != ContactRules()


def test_none_is_needed():
    assert program({}).contacts == ContactRules()
    assert ContactRules().longest_period == timedelta(0)
    assert ContactRules.model_validate({"gap": "40d"}).longest_period == timedelta(days=40)


@pytest.mark.parametrize(
    ("contacts", "says"),
    [
        ({"limit": []}, "Extra inputs are not permitted"),
        ({"except": ["a", "a"]}, "except: an arm is named twice"),
        ({"limits": [{"most": 0, "period": "7d"}]}, "greater than or equal to 1"),
        ({"limits": [{"most": 1}]}, "Field required"),
        (
            {"limits": [{"most": 1, "period": "7d"}, {"most": 2, "period": "168h"}]},
            "two are for the period 7d",
        ),
        ({"gap": "2 days"}, "a duration is a whole number and a unit"),
        ({"opt_out": "marketng == no"}, "contacts.opt_out: .* is no column.*is marketing what is meant"),
        ({"opt_out": "errors == no"}, "contacts.opt_out: .*is not a number"),
        ({"quiet": {}}, "say when: `days` such as"),
        ({"quiet": {"hours": [8, 8]}}, "from 8 to 8 is no time, or all of it"),
        ({"quiet": {"hours": [0, 24]}}, "from 0 to 24 is no time, or all of it"),
        ({"quiet": {"hours": [8, 25]}}, "less than or equal to 24"),
        ({"quiet": {"hours": [8]}}, "hours"),
        ({"quiet": {"days": ["sunday", "sunday"]}}, "days: one is named twice"),
        ({"quiet": {"days": ["funday"]}}, "Input should be 'monday'"),
        ({"quiet": {"hours": [21, 8], "zone": "errors"}}, "'errors' is not a category of logs.context"),
        ({"quiet": {"hours": [21, 8], "zone": "city"}}, r"there: \['marketing', 'time_zone'\]"),
        ({"holdout": {"share": 1.0}}, "less than 1"),
        ({"holdout": {"share": 0.0}}, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_named(contacts, says):
    with pytest.raises(ValidationError, match=says):
        program(contacts)


def test_all_days_may_not_be_quiet():
    days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    with pytest.raises(ValidationError, match="nobody would ever be contacted"):
        program({"quiet": {"days": days}})


def test_an_issue_has_no_rules_of_its_own():
    with pytest.raises(ValidationError, match=r"issues\.home: contacts is said once, for the whole program"):
        program({}, issues={"home": {"contacts": {"gap": "2d"}}})

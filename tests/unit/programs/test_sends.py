"""What a program may say of sends, and what is no such thing."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from nightslate.programs import Program
from nightslate.programs.conditions import Comparison

WHOLE = {
    "channel": "channel",
    "nothing": "none",
    "zone": "time_zone",
    "ready": "5h",
    "channels": {
        "email": {"consent": "consent_email == yes", "hours": [9, 18]},
        "text": {"consent": "consent_text == yes and errors < 3"},
    },
}


def program(sends, **changed):
    spec = {
        "program": "letters",
        "description": "letters",
        "start_date": date(2026, 11, 16),
        "slots": 1,
        "depth": 1,
        "logs": {
            "propensity": "conditional",
            "context": [
                {"name": "consent_email", "type": "category"},
                {"name": "consent_text", "type": "category"},
                {"name": "time_zone", "type": "category"},
                {"name": "errors", "type": "number"},
            ],
            "arm_features": [{"name": "channel", "type": "category"}, {"name": "price", "type": "number"}],
        },
        "rewards": {"values": {"click": 1.0}, "window": "12h"},
        "learners": {"uniform": {"kind": "uniform"}},
        "floor": 0.1,
        "variants": {"all": {"share": 1.0, "policy": "uniform"}},
        "gate": {"first_champion": "uniform"},
        "sends": sends,
    }
    return Program(**{**spec, **changed})


def of_channel(**said):
    return {**WHOLE, "channels": {"email": {"consent": "consent_email == yes", **said}}}


def test_all_that_can_be_said():
    whole = program(WHOLE)
    sends = whole.sends
    assert sends is not None
    assert whole.withholds
    assert sends.ready == timedelta(hours=5)
    assert sends.values == ("email", "text", "none")
    assert sends.consents(whole.context)["email"] == Comparison("consent_email", "==", "yes")
    assert sends.columns(whole.context) == ("consent_email", "consent_text", "errors", "time_zone")


def test_little_is_needed():
    sends = program({"channel": "channel", "channels": {"push": {"consent": "errors < 3"}}}).sends
    assert sends is not None
    assert (sends.zone, sends.nothing, sends.ready) == (None, None, timedelta(hours=4))
    assert sends.values == ("push",)
    assert not program(None).withholds


@pytest.mark.parametrize(
    ("sends", "says"),
    [
        ({**WHOLE, "chanel": "x"}, "Extra inputs are not permitted"),
        ({**WHOLE, "channel": "chanel"}, r"sends.channel: 'chanel' is not a category of logs.arm_features"),
        ({**WHOLE, "channel": "price"}, "sends.channel: 'price' is not a category"),
        ({**WHOLE, "channels": {}}, "at least 1 item"),
        ({**WHOLE, "channels": {"email": {}}}, "Field required"),
        (of_channel(consent="consent_mail == yes"), r"sends.channels.email.consent: .*is no column"),
        (of_channel(consent="yes"), "sends.channels.email.consent: 'yes' in 'yes' is no comparison"),
        (of_channel(hours=[9, 9]), "from 9 to 9 is no window"),
        (of_channel(hours=[0, 24]), "or the whole day"),
        (of_channel(hours=[9, 25]), "less than or equal to 24"),
        ({**WHOLE, "nothing": "text"}, "'text' is one of the channels"),
        ({**WHOLE, "zone": "tz"}, "sends.zone: 'tz' is not a category of logs.context"),
        ({**WHOLE, "zone": "errors"}, "sends.zone: 'errors' is not a category"),
        ({**WHOLE, "ready": "1d"}, "less than a day"),
        ({**WHOLE, "ready": "20m"}, "quarters of an hour"),
    ],
)
def test_what_can_not_be_meant_is_named(sends, says):
    with pytest.raises(ValidationError, match=says):
        program(sends)


def test_a_user_lives_in_one_zone():
    quiet = {"quiet": {"zone": "time_zone", "hours": [21, 8]}}
    assert program(WHOLE, contacts=quiet).sends
    with pytest.raises(ValidationError, match=r"sends.zone: None is another zone than contacts.quiet.zone"):
        program({**WHOLE, "zone": None}, contacts=quiet)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"serving": {}}, "serving"),
        ({"updates": {}}, "updates"),
        ({"issues": {"home": {}, "mail": {}}, "issue_choice": {}}, "issue_choice"),
        (
            {
                "sequence": {"gap": "2d"},
                "learners": {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}},
            },
            "sequence",
        ),
    ],
)
def test_what_sends_do_not_go_with_is_named(changed, named):
    assert program(None, **changed)
    with pytest.raises(ValidationError, match=f"leave out `{named}`"):
        program(WHOLE, **changed)


SERVICE = {
    **WHOLE,
    "channels": {**WHOLE["channels"], "service": {"consent": "errors < 3", "transactional": True}},
}
BY_EMAIL, BY_ARM = {"most": 4, "period": "7d", "channel": "email"}, {"most": 1, "period": "30d", "per": "arm"}


def test_limits_may_be_by_channel_and_by_arm_beside_those_of_all():
    limits = [{"most": 4, "period": "7d"}, BY_EMAIL, {**BY_EMAIL, "channel": "text"}, BY_ARM]
    found = program(WHOLE, contacts={"limits": limits, "expires": True})
    assert [limit.of for limit in found.contacts.caps] == ["by email", "by text", "of an arm"]
    assert found.contacts.longest_period == timedelta(days=30)
    assert found.caps
    assert program(SERVICE).caps
    assert program(SERVICE).sends.transactional == ("service",)
    assert not program(WHOLE, contacts={"limits": limits[:1]}).caps


@pytest.mark.parametrize(
    ("sends", "contacts", "says"),
    [
        (None, {"limits": [BY_EMAIL], "expires": True}, "programs with `sends`"),
        (WHOLE, {"limits": [BY_EMAIL]}, "contacts.expires: true"),
        (
            WHOLE,
            {"limits": [{**BY_EMAIL, "channel": "fax"}], "expires": True},
            "'fax' is not one of sends.channels",
        ),
        (SERVICE, {"limits": [{**BY_EMAIL, "channel": "service"}], "expires": True}, "not transactional"),
        (WHOLE, {"limits": [{**BY_EMAIL, "per": "arm"}], "expires": True}, "an arm goes by one channel"),
        (WHOLE, {"limits": [BY_EMAIL, BY_EMAIL], "expires": True}, "two are for the period 7d"),
        (WHOLE, {"limits": [{**BY_ARM, "per": "topic"}], "expires": True}, "per"),
    ],
)
def test_limits_that_can_not_be_meant_are_named(sends, contacts, says):
    with pytest.raises(ValidationError, match=says):
        program(sends, contacts=contacts)


def test_of_several_issues_each_could_send_the_same_arm():
    with pytest.raises(ValidationError, match="program of one issue"):
        program(WHOLE, issues={"a": {}, "b": {}}, contacts={"limits": [BY_ARM], "expires": True})


def test_sends_are_said_once_for_all_issues():
    with pytest.raises(ValidationError, match=r"issues.mail: sends is said once"):
        program(None, issues={"mail": {"sends": WHOLE}})

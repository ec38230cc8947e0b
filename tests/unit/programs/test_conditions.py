"""Conditions on what is known of a user, as text."""

import pytest

from nightslate.programs.conditions import Both, Comparison, Either, Not, columns_of, parse

TYPES = {"errors": "number", "seconds": "number", "plan": "category", "page": "category"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("errors >= 2", Comparison("errors", ">=", 2.0)),
        ("2 <= errors", Comparison("errors", ">=", 2.0)),
        ("errors == -0.5", Comparison("errors", "==", -0.5)),
        ("plan == 'pro'", Comparison("plan", "==", "pro")),
        ("plan != pro", Comparison("plan", "!=", "pro")),
        ("plan in [free, 'a b']", Comparison("plan", "in", ("free", "a b"))),
        ("plan not in (free, trial)", Comparison("plan", "not in", ("free", "trial"))),
        ("1 < errors <= 5", Both((Comparison("errors", ">", 1.0), Comparison("errors", "<=", 5.0)))),
        (
            "errors > 1 and (plan == pro or not seconds < 60)",
            Both(
                (
                    Comparison("errors", ">", 1.0),
                    Either((Comparison("plan", "==", "pro"), Not(Comparison("seconds", "<", 60.0)))),
                )
            ),
        ),
    ],
)
def test_what_is_said_is_what_is_meant(text, meant):
    assert parse(text, TYPES) == meant


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("errors >=", "is no condition; write one such as"),
        ("", "is no condition"),
        (
            "error >= 2",
            "is no column: there are errors, seconds, plan, page; is errors what is meant?",
        ),
        ("errors", "is no comparison"),
        ("errors > seconds", "'seconds' in 'errors > seconds' is not a number, as errors is"),
        ("errors > many", "is not a number, as errors is"),
        ("errors > True", "is not a number, as errors is"),
        ("plan == 3", "is not text, as plan is"),
        ("plan < pro", "is compared by < with plan, which is text and has no order"),
        ("plan in pro", "is no list of values; write plan in [a, b]"),
        ("plan in []", "is no list of values"),
        ("errors is 2", "is compared in a way that is not known here"),
        ("__import__('os').system('true') == 1", "is no column"),
        ("errors + 1 > 2", "is no column"),
        ("not " * 60 + "errors > 1", "is nested too deep"),
    ],
)
def test_what_can_not_be_meant_is_named(text, says):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (the message is held to)
        parse(text, TYPES)
    assert says in str(refused.value)


def test_the_columns_that_it_looks_at():
    assert columns_of(parse("errors > 1 and (plan == pro or not errors > 9)", TYPES)) == ("errors", "plan")

"""Detectors of a program: what they say, which days they learn from, and who may name them."""

import copy
from datetime import date, timedelta

import pytest

from nightslate.programs import load

from .test_issues import shop
from .test_loading import SPEC, refusal, write

LEAVING = {"of": "cancellation", "within": "14d"}


def risky(detectors, **changed):
    return {**copy.deepcopy(SPEC), **changed, "detectors": detectors}


def test_an_issue_may_go_by_a_risk_and_learners_do_not_see_it(tmp_path):
    program = load(write(tmp_path, risky({"leaving": LEAVING}, concerns="leaving >= 0.3")))
    issue, said = program.only_issue, program.detectors["leaving"]
    assert (said.of, said.within, said.estimator) == (
        "cancellation",
        timedelta(days=14),
        "logistic_regression",
    )
    assert issue.concerned_by == issue.concerned_by_risks == ("leaving",)
    assert "leaving" not in {column.name for column in issue.context}


def test_a_detector_learns_from_days_of_which_it_is_known_what_came(tmp_path):
    said = {"of": "cancellation", "within": "36h", "window_days": 3}
    days = load(write(tmp_path, risky({"leaving": said}))).detectors["leaving"].days(date(2026, 11, 20))
    assert days == [date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)]


@pytest.mark.parametrize(
    ("detectors", "says"),
    [
        ({"leaving": {"of": "cancellation"}}, "detectors.leaving.within: Field required"),
        ({"leaving": {**LEAVING, "estimator": "ridge"}}, "detectors.leaving.estimator"),
        ({"reward": LEAVING}, "detectors: the name 'reward' is that of a column that there is anyway"),
        ({"interval": LEAVING}, "detectors: the name 'interval'"),
    ],
)
def test_what_no_detector_can_be_is_told(tmp_path, detectors, says):
    assert says in refusal(tmp_path, risky(detectors))


def test_a_detector_is_not_called_as_a_column_of_contexts(tmp_path):
    message = refusal(tmp_path, shop(home={}) | {"detectors": {"age": LEAVING}})
    assert "detectors: the name 'age'" in message


def test_a_risk_that_no_detector_has_is_told(tmp_path):
    assert "concerns: 'gone' in 'gone >= 0.3' is no column" in refusal(
        tmp_path, risky({"leaving": LEAVING}, concerns="gone >= 0.3")
    )


def test_detectors_are_the_programs(tmp_path):
    message = refusal(tmp_path, shop(home={}, mail={"detectors": {"leaving": LEAVING}}))
    assert "issues.mail: detectors is said once, for the whole program" in message

"""Which estimates lead, and whose value they are."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from tests.unit.reports import nights

from nightslate.reports.estimands import cross_fitted, in_words, leading


def test_progressive_estimates_lead_once_a_day_was_weighed() -> None:
    both = nights.of_both_estimands()
    assert set(leading(both)["estimand"].to_pylist()) == {"progressive"}
    assert set(cross_fitted(both)["estimand"].to_pylist()) == {"cross_fitted"}
    unheard = [row | ({"n": 0} if row["estimand"] == "progressive" else {}) for row in both.to_pylist()]
    found = leading(pa.Table.from_pylist(unheard, nights.EVALUATIONS))
    assert found.num_rows == 3
    assert set(found["estimand"].to_pylist()) == {"cross_fitted"}


def test_an_estimate_says_which_policy_fitted_when_with_which_weights_over_which_users_and_days() -> None:
    assert in_words(nights.evaluations().to_pylist()[0]) == (
        "each policy as it was fitted before the day on which it is weighed; weights before goals, priority"
        " and diversity; all users, shown 2019-11-10 to 2019-11-22"
    )
    assert in_words(nights.fitted_tonight().to_pylist()[0]) == (
        "each policy as it is fitted tonight, weighed on users that it was not fitted on; weights before"
        " goals, priority and diversity; all users, shown 2019-10-30 to 2019-11-26"
    )
    of_a_day = nights.evaluation("uniform", "dr", 0.1, 0.1, last_day=date(2019, 11, 10))
    assert in_words(of_a_day).endswith("all users, shown on 2019-11-10")

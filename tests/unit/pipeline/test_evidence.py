"""What a night says about the cohorts that it took, and those that it left as they were."""

from __future__ import annotations

from datetime import date, timedelta

from nightslate.pipeline.evidence_table import Taken


def test_days_whose_logs_changed_are_named() -> None:
    assert Taken(3, []).days_changed == ""
    assert Taken(3, []).in_words == "evidence of 3 more days"
    changed = Taken(0, [date(2026, 1, 2), date(2026, 1, 5)])
    assert changed.days_changed == "2026-01-02, 2026-01-05"
    assert changed.in_words == (
        "evidence of 0 more days; the logs of 2026-01-02, 2026-01-05 changed since: the first evidence stays"
    )


def test_of_many_days_the_first_ones_are_named_so_that_mlflow_takes_them() -> None:
    changed = Taken(0, [date(2020, 1, 1) + timedelta(days=2 * i) for i in range(1800)])
    assert changed.days_changed.startswith("2020-01-01, 2020-01-03, ")
    assert changed.days_changed.endswith(", 2020-01-19 and 1790 more days")

"""What slates show, by arm and night."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import pytest
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.exposure import EXPOSURE, MOST_ARMS
from nightslate.reports.dashboard.over_nights import OTHERS

DAY = dashboards.FIRST


def shares(exposures: list[dict[str, object]]) -> dict[tuple[str, date], dict[str, float]]:
    """By issue and night, the share of each arm, in the order of the rows."""
    report = dashboards.report(1)
    of_arms = {**report.rows, "exposures": dashboards.read("exposures", exposures)}
    rows = EXPOSURE.made(dashboards.replace(report, rows=of_arms)).rows.to_pylist()
    found: dict[tuple[str, date], dict[str, float]] = defaultdict(dict)
    for row in rows:
        found[row["issue"], row["day"]][row["arm"]] = row["share"]
    return found


def exposure(arm: str, shown: int, issue: str = "homepage", slate_date: date = DAY + timedelta(days=1)):
    return {"issue": issue, "arm_id": arm, "shown": shown, "slate_date": slate_date}


def test_places_of_all_slots_are_shared_out_by_night_and_issue() -> None:
    next_day = DAY + timedelta(days=2)
    found = shares(
        [
            *(exposure("a", 30), exposure("a", 30), exposure("b", 20)),
            *(exposure("b", 5, slate_date=next_day), exposure("b", 7, "mail")),
        ]
    )
    assert found == {
        ("homepage", DAY): {"a": 0.75, "b": 0.25},
        ("homepage", DAY + timedelta(days=1)): {"b": 1.0},
        ("mail", DAY): {"b": 1.0},
    }


def test_arms_beyond_those_most_shown_are_one_which_is_the_last() -> None:
    arms = {f"arm-{number:02d}": 100 - number for number in range(MOST_ARMS + 3)}
    (of_night,) = shares([exposure(arm, shown) for arm, shown in arms.items()]).values()
    assert list(of_night) == [*list(arms)[:MOST_ARMS], OTHERS]
    assert of_night[OTHERS] == pytest.approx(sum([*arms.values()][MOST_ARMS:]) / sum(arms.values()))
    assert sum(of_night.values()) == pytest.approx(1.0)

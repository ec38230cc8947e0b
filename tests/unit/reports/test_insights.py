"""What drives choices, on the page of a night."""

from dataclasses import replace

import pyarrow as pa
import pytest

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.insights import insights_told
from nightslate.reports.night_page import page
from nightslate.reports.numbers import MINUS, Reward

from .nights import HOSTILE, ordinary

INSIGHTS = schema(load("insights"), partition=False)
EUROS = Reward("euros per message", rate=False)
USER = "0123456789abcdef" * 2


def row(figure, place, about, value, half=None, **more):
    ends = {"stderr": half, "lower": value - half, "upper": value + half} if half else {}
    common = {"issue": "homepage", "learner": "shared", "confidence": 0.95, "n": 900}
    return {**common, "figure": figure, "place": place, "about": about, "value": value, **ends, **more}


def told(arms=1, name="mail_1"):
    rows = [
        row("effect", 2, "type = news", -0.2, 0.1),
        row("effect", 1, "type = discount for history = lapsed", 0.4, 0.15),
        row("importance", 1, "history", 0.02, 0.01, reference=0.5),
        row("importance", 2, "region", 0.0, reference=0.5),
        row("lead", 1, f"arm {name}", 0.3, user_id=USER, arm_id=name, n=1),
        row("contribution", 1, "history = lapsed", 0.35, user_id=USER, arm_id=name, n=1),
        row("contribution", 2, "the arm by itself", -0.05, user_id=USER, arm_id=name, n=1),
    ]
    for number in range(arms):
        arm = name if not number else f"text_{number}"
        of_arm = {"arm_id": arm, "place": number + 1, "about": f"arm {arm}"}
        rows += [
            row("naive_response", value=0.7, half=0.05, **{**of_arm, "n": 1000 - number}),
            row("response", value=0.25, half=0.125, **of_arm),
            row("exploration", value=0.125, **of_arm),
            row("best", value=0.0625, **of_arm),
        ]
    return pa.Table.from_pylist(rows, INSIGHTS)


def written(table, **changed):
    return page(replace(ordinary(), reward=EUROS, insights=table, champion="shared", **changed))


def test_all_figures_stand_on_the_page_the_largest_first():
    html = written(told())
    for text in ("+0.400", "+0.250 to +0.550", f"{MINUS}0.200", "4.00 %", "2.00 % to 6.00 %", USER, "+0.350"):
        assert text in html, text
    for text in (
        "0.700",
        "0.250",
        "0.125 to 0.375",
        "12.5 %",
        "6.25 %",
        f"{MINUS}0.0500",
        "on euros per message",
    ):
        assert text in html, text
    section = html[html.index("What drives choices") :]
    assert section.index("type = discount for history = lapsed") < section.index("type = news<")
    assert section.index("history = lapsed</td>") < section.index("the arm by itself")


def test_effects_of_a_logistic_champion_are_log_odds():
    assert "on log-odds" in written(told(), log_odds=True)


def test_of_many_arms_those_most_shown_stand_on_the_page():
    found = insights_told(told(arms=45), EUROS, log_odds=False)
    assert found is not None
    assert [arm["arm"] for arm in found.arms[:3]] == ["mail_1", "text_1", "text_2"]
    assert (len(found.arms), found.left_out) == (40, 5)
    assert "5 arms that were shown less are left out" in written(told(arms=45))


def test_a_champion_without_coefficients_has_arms_alone():
    rows = [each for each in told().to_pylist() if each["figure"] in ("response", "naive_response")]
    html = written(pa.Table.from_pylist(rows, INSIGHTS))
    assert "What drives choices" in html
    assert "squared error" not in html
    assert "somebody average" not in html


@pytest.mark.parametrize("table", [told().slice(0, 0), None])
def test_nothing_is_told_of_nothing(table):
    html = written(table)
    assert ("Nothing that was shown counts yet" in html) == (table is not None)
    assert ("What drives choices" in html) == (table is not None)


def test_names_are_data_and_never_markup():
    assert "<script>alert" not in written(told(name=HOSTILE))

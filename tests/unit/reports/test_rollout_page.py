"""The page of a rollout's night says what was done, to whom and why, and needs nothing but itself."""

import re
from dataclasses import replace

import pytest

from nightslate.kernels import rollout_causes
from nightslate.kernels.small_cells import OTHERS
from nightslate.reports.numbers import MINUS
from nightslate.reports.rollout_events import events
from nightslate.reports.rollout_page import APART, CAUSES, page

from . import rollouts

BREACHED = "the ramp went back to step 1 of 2 (10 %): a guardrail is breached: trouble +0.1"
STOPPED = "stopped by anna at 2026-03-07 09:00 UTC: payments fail"


@pytest.fixture(scope="module")
def html():
    return page(rollouts.ordinary())


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_the_first_screen_says_what_was_done_and_why(html):
    said = text(html)
    headline = "64.0 % of users are in treatment tomorrow: its baseline goes back from 50 % to 10 %."
    assert f"<h1>{headline}</h1>" in html
    for words in (
        *(BREACHED, "Go on", "Off the baseline are 1,000 users because of what a treatment is expected"),
        *("in treatment tomorrow 640 64.0 % of 1,000 users", "moved tonight 17", "1.70 % of users"),
        *("321 32.1 % of users", "at risk under treatment 20.0 %", "180 users score below 0"),
        *("purchases of treatment against control", "+0.0370", "whenever one looks"),
    ):
        assert words in said, words


def test_what_adds_the_most_to_scores_stands_with_who_is_moved_by_them(html):
    said = text(html)
    assert (
        f"less treatment than everyone 123 feature 7 {MINUS}0.0770 +0.00700 +0.0861"
        f" feature 6 {MINUS}0.0660 +0.00600 +0.0738" in said
    )
    assert f"feature 3 {MINUS}0.0330" in said
    assert "feature 2" not in said  # the five largest
    assert "more treatment than everyone" not in said
    nothing = rollouts.ordinary().contributions.slice(0, 0)
    assert "beside somebody average" not in text(page(replace(rollouts.ordinary(), contributions=nothing)))


def test_what_happened_stands_with_its_day_and_its_reason(html):
    found = [(each.day.day, each.kind, each.what, each.why) for each in _events(rollouts.ordinary())]
    assert found == [
        (10, "guardrail", "the baseline of treatment goes back from 50 % to 10 %",
         BREACHED),
        (9, "stop", "the baseline of treatment comes back at 50 %",
         "anna lets it run again: it is mended; the ramp is at step 1 of 2 (10 %) until it has had its days"
         " and users"),
        (8, "signal", "in north shares come back", "no signal any more: outage, storm"),
        (8, "stop", "the baseline of treatment goes to 0 %: it is stopped", STOPPED),
        (7, "signal", "in north nobody has treatment", "signal: outage, storm"),
        (5, "ramp", "the baseline of treatment goes up from 10 % to 50 %",
         "the ramp went on to step 2 of 2 (50 %)"),
        (3, "ramp", "the baseline of treatment begins at 10 %", "the ramp began at step 1 of 2 (10 %)"),
    ]  # fmt: skip
    said = text(html)
    assert all(what in said and why in said for _, _, what, why in found)


def _events(report):
    return events(report.rollouts, report.stops, report.treatments)


def test_contexts_come_by_how_far_their_shares_are_from_everyones(html):
    rows = re.findall(r'<td class="name">((?:region|device) \w+)</td><td class="number">', html)
    assert rows == ["device old_phone", "region north", "device missing"]
    assert "+8.00 pp" in html
    assert f"{MINUS}5.00 pp" in html


def test_a_model_is_calibrated_where_1_is_among_its_slopes(html):
    linear, forest = html.index(">linear<"), html.index(">forest<")
    assert "✓ ok" in html[linear:forest]
    assert "! look" in html[forest : html.index("</table>", forest)]


def test_a_user_explains_itself_without_being_known(html):
    assert "0123456789abcdef" not in html
    said = text(html)
    assert (
        "01234567 treatment from control 60.0 % before: 50.0 % 0.0500 25.0 % what a treatment is expected"
        in said
    )
    assert "region north" in said


def test_every_cause_has_its_words():
    assert {*CAUSES} == {*rollout_causes.CHANGES, OTHERS}
    assert {*rollout_causes.APART} <= {*APART}


def test_on_the_first_night_it_says_what_is_not_known_yet():
    said = text(page(rollouts.first_night()))
    assert "treatment tomorrow: its baseline begins at 10 %." in said
    assert "No effect is known yet" in said
    assert "There is no model yet" in said


def test_it_needs_nothing_but_itself_and_cannot_be_written_into(html):
    hostile = page(rollouts.hostile())
    for each in (html, hostile):
        assert "<script" not in each
        assert not re.search(r'(?:href|src)="(?!index\.html")|@import|url\(', each)
    assert hostile.count("&lt;script&gt;") > 3


def test_many_treatments_stand_side_by_side():
    some = rollouts.ordinary()
    other = [{**row, "variant": "other"} for row in some.shares.to_pylist() if row["variant"] == "treatment"]
    moved = [
        {**row, "variant": "other"} for row in some.rollouts.to_pylist() if row["variant"] == "treatment"
    ]
    both = replace(
        some,
        treatments=["other", "treatment"],
        shares=rollouts.table("rollout_shares", [*some.shares.to_pylist(), *other]),
        rollouts=rollouts.table("rollouts", [*some.rollouts.to_pylist(), *moved]),
        users=[],
    )
    said = text(page(both))
    for name in ("other", "treatment"):
        assert f"64.0 % of users are in {name} tomorrow: its baseline goes back from 50 % to 10 %" in said
    assert "Whom other goes to" in said
    assert "Whom treatment goes to" in said

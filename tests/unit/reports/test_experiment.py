"""What the page of a night says of an experiment."""

import re
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.experiment import experiment_readout
from nightslate.reports.night_page import page

from .nights import HOSTILE, ordinary

READOUTS, DECISIONS, FATIGUE = (
    schema(load(name), partition=False) for name in ("readouts", "readout_decisions", "fatigue")
)


def row(metric="clicks", variant="new", method="difference", **changes):
    told = {"effect": 0.5, "lower": 0.3, "upper": 0.7, "anytime_lower": 0.2, "anytime_upper": 0.8}
    none = dict.fromkeys(told) if variant == "old" else {}
    return {
        "issue": "homepage", "experiment": "spring", "metric": metric, "variant": variant, "control": "old",
        "scope": "exposed", "period": "cumulative", "segment": None, "segment_value": None, "method": method,
        "n": 1200 if variant == "new" else 400, "mean": 2.5 if variant == "new" else 2.0, "confidence": 0.95,
        "first_day": date(2019, 11, 10), "last_day": date(2019, 11, 26), **told, **none, **changes,
    }  # fmt: skip


def decided(decision="ship", variant="new", reasons=("new: clicks +0.5",), metric="clicks"):
    return {
        "issue": "homepage", "experiment": "spring", "control": "old", "metric": metric, "decision": decision,
        "variant": variant, "reasons": list(reasons), "assigned": 2000, "exposed": 1600, "crossed": 0,
        "shares_changed": False, "confidence": 0.95, "first_day": date(2019, 11, 10),
    }  # fmt: skip


def shown(rows, decision=None, again=()):
    decisions = pa.Table.from_pylist([decision or decided()], DECISIONS)
    fatigue = pa.Table.from_pylist([*again], FATIGUE)
    found = experiment_readout(pa.Table.from_pylist(rows, READOUTS), decisions, fatigue)
    return page(replace(ordinary(), experiment=found))


def test_the_first_screen_says_what_the_variant_was_worth():
    html = shown([row(), row(variant="old")])
    told = " ".join(html.split("What each policy is worth")[0].split())
    assert (
        "<b>clicks</b> of new against old since 2019-11-10: <b>+0.500</b> (+0.200 to +0.800 at 95 %, whenever"
        " one looks), +25.0 % of 2.00, of 1,600 users who were shown anything." in told
    )
    assert "<b>Ship new</b>: new: clicks +0.5." in told


def test_what_is_not_healthy_is_said_above_its_figures():
    ill = decided("not healthy", None, ["1.10 % of the users of new are missing, device web"])
    html = shown([row(), row(variant="old")], ill)
    assert html.index("users of new are missing") < html.index("not to be believed") < html.index("+0.500")
    assert "Ship" not in html


def test_while_the_metric_that_is_decided_by_has_no_figure_another_leads():
    known = [row("so_far", anytime_lower=None, anytime_upper=None), row("so_far", variant="old")]
    told = " ".join(shown(known, decided("go on", None, ["nobody yet"], metric="final")).split())
    assert "<b>so far</b> of new against old" in told
    assert (
        "(+0.300 to +0.700 at 95 % if this is the only look; one that holds at every look begins at 100"
        in told
    )


def test_of_two_methods_the_more_precise_one_leads_and_the_biased_one_stands_beside():
    rows = [row(), row(method="cuped", effect=0.45), row(method="naive", effect=0.9, mean=2.9)]
    rows.append(row(method="adaptive", effect=0.44, anytime_lower=0.21, anytime_upper=0.67))
    html = shown([*rows, row(variant="old")])
    assert "<b>+0.450</b>" in html
    assert "without weights" in html
    assert "+0.900" in html
    assert "days by what they tell" in html
    assert "+0.440" in html
    assert "+0.210 to +0.670" in html


def test_augmented_effects_lead():
    rows = [row(), row(method="cuped", effect=0.45), row(method="aipw", effect=0.47), row(variant="old")]
    html = shown(rows)
    assert "<b>+0.470</b>" in html
    assert "+0.450" not in html


def test_what_following_the_context_was_worth_is_told_of_the_metric_that_is_decided_by():
    policy = {"method": "policy", "variant": "own probabilities", "control": "shares of the day"}
    rows = [row(**policy, effect=0.125, mean=2.5), row("other", **policy, effect=0.75)]
    html = " ".join(shown([row(), row(variant="old"), *rows]).split())
    assert "was worth +0.125 of clicks a user" in html
    assert "2.50 in place of 2.38" in html
    assert html.count("Following the context") == 1
    assert "Following the context" not in shown([row(), row(variant="old")])


def test_whether_effects_last_is_said_of_each_variant():
    parts = {"first": 0.9, "later": 0.2, "change": -0.7}
    rows = [
        row(period=period, variant=variant, **({"effect": effect} if variant == "new" else {}))
        for period, effect in parts.items()
        for variant in ("new", "old")
    ]
    (line,) = re.findall(
        r"<tr>(?:(?!<tr>).)*\+0\.900.*?</tr>", shown([row(), row(variant="old"), *rows]), re.DOTALL
    )
    assert re.findall(r"\d\.\d+", line)[:3] == ["0.900", "0.200", "0.700"]
    assert "Whether effects last" not in shown([row(), row(variant="old")])


def test_segments_are_told_apart():
    rows = [
        row(segment="device", segment_value=value, variant=variant)
        for value in ("web", None)
        for variant in ("new", "old")
    ]
    html = shown([row(), row(variant="old"), *rows])
    assert "clicks, device web" in html
    assert "clicks, device missing" in html


def test_whether_segments_differ_and_what_was_before_are_told():
    rows = [
        row(segment="device", segment_value=value, variant=variant, method=method, interaction_p=p)
        for value in ("web", "app")
        for variant, p in (("new", 0.04), ("old", None))
        for method, p in (("difference", p), ("cuped", p and 0.03))
    ]
    known = [row("age", variant=variant, period="before", mean=7.25) for variant in ("new", "old")]
    html = shown([row(), row(variant="old"), *rows, *known])
    between = html.split("Whether effects differ between segments")[1].split("Before the first exposure")
    assert re.findall(r'"name">([^<]*)<', between[0]) == ["device", "clicks", "new"]
    assert "0.03" in between[0]
    assert "0.04" not in between[0]
    assert "age" in between[1]
    assert "7.25" in between[1]


def test_responses_to_what_was_shown_before_are_drawn_by_variant():
    again = [
        {
            "issue": "homepage", "experiment": "spring", "variant": variant, "showing": showing, "users": 99,
            "and_later": showing == 2,
            "rate": 0.06 / showing, "first_rate": 0.06, "change": 0.06 / showing - 0.06, "confidence": 0.95,
            "lower": 0.01, "upper": 0.09, "change_lower": None, "change_upper": None,
            "first_day": date(2019, 11, 10),
        }
        for variant in (HOSTILE, "old")
        for showing in (1, 2)
    ]  # fmt: skip
    html = shown([row(), row(variant="old")], again=again)
    told = html.split("Responses to the same arm shown again")[1].split("<details>")[0]
    assert "<svg" in told
    assert "<script>" not in told
    of_old = [line for line in told.split("<tr>") if '"name">old<' in line]
    assert [re.findall(r"[\d.]+ %", line)[0] for line in of_old] == ["6.00 %", "3.00 %"]
    assert "2 and later" in of_old[1]
    assert "shown again" not in shown([row(), row(variant="old")])


def test_an_issue_without_metrics_says_nothing():
    assert "What the experiment says" not in page(ordinary())


@pytest.mark.parametrize("name", ["metric", "variant", "segment_value"])
def test_names_are_text(name):
    changed = {name: HOSTILE} | ({"segment": "device"} if name == "segment_value" else {})
    html = shown([row(), row(**changed), row(variant="old")], decided(reasons=[HOSTILE]))
    assert "<script>" not in html
    assert "<img" not in html

"""The dashboard carries all that it needs, asks for nothing, stays small and can't be written into."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.encoding import MOST_ROWS
from nightslate.reports.dashboard.page import SECTIONS, page

SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


@pytest.fixture(scope="module")
def html() -> str:
    return page(dashboards.report())


def data(html: str) -> dict[str, object]:
    (text,) = [body for attributes, body in SCRIPT.findall(html) if "application/json" in attributes]
    found: dict[str, object] = json.loads(text)
    return found


def test_every_section_has_its_place_and_its_rows(html: str) -> None:
    names = re.findall(r'<section id="(\w+)"', html)
    assert names == list(data(html)["sections"])  # type: ignore[call-overload]
    assert len(names) == len(SECTIONS)
    assert names[:3] == ["readouts", "rollouts", "value"]


def test_the_page_may_run_its_own_scripts_and_reach_nothing(html: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    scripts = [body for attributes, body in SCRIPT.findall(html) if not attributes]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-eval' "
        + " ".join(f"'sha256-{each}'" for each in hashes)
    )
    without_scripts = SCRIPT.sub("", html)
    assert not re.search(r"https?:|src=|@import|url\(|<link|<iframe|<img", without_scripts)


def test_vega_is_in_it_once(html: str) -> None:
    assert len(SCRIPT.findall(html)) == 3
    assert html.count("window.vegaEmbed=") == 1


def test_names_from_outside_end_no_script(html: str) -> None:
    hostile = page(dashboards.hostile())
    assert len(SCRIPT.findall(hostile)) == len(SCRIPT.findall(html))
    assert "<script>alert" not in hostile
    assert data(hostile)["sections"]["exposure"]["rows"]["arm"]["values"] == [dashboards.HOSTILE]  # type: ignore[index]


def test_a_year_of_nights_is_under_five_megabytes_and_more_are_thinned_out() -> None:
    learners = tuple(f"learner_{i}" for i in range(6))
    policies = {f"issue_{i}": ("logged", "uniform", *learners) for i in range(4)}
    some = dashboards.report(12, policies, features=tuple(f"feature_{i}" for i in range(30)))
    html = page(dashboards.repeated(some, 31))
    assert len(html.encode()) < 5_000_000
    sections = data(html)["sections"]
    rows = {name: len(each["rows"]["day"]["at"]) for name, each in sections.items()}  # type: ignore[attr-defined]
    assert max(rows.values()) <= MOST_ROWS
    assert rows["nights"] == 372
    assert "the page has every" in html


def test_the_same_tables_give_the_same_page(html: str) -> None:
    assert page(dashboards.report()) == html

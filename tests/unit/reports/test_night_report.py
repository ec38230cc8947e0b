"""The page of a night says the right numbers, needs nothing outside itself and can't be written into."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from tests.unit.reports import nights

from nightslate.reports.night_report import NightReport, page

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Document(HTMLParser):
    """What is in a page: its elements with their attributes, its text; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def figures(self) -> list[str]:
        return [attrs["aria-label"] or "" for tag, attrs in self.elements if attrs.get("role") == "img"]


@pytest.fixture(scope="module")
def ordinary_html() -> str:
    return page(nights.ordinary())


def two_hundred_arms() -> NightReport:
    return nights.ordinary(exposure=nights.exposure(200))


def test_the_headline_says_what_the_gate_did(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    assert "Champion stays uniform: linear_thompson's lower bound −0.201 pp does not clear 0." in text
    assert "effective samples 612 < 1000" in text


def test_a_champion_that_no_row_has_taught_is_told_at_the_top(ordinary_html: str) -> None:
    word = "the champion star is fitted on 0 rows: none of the 28 days up to 2024-03-02 teaches it"
    text = Document(page(nights.ordinary(untaught=word))).text
    assert word in text[: text.index("What each policy is worth")]
    assert "fitted on 0 rows" not in Document(ordinary_html).text


def test_a_promotion_makes_the_headline() -> None:
    rows = nights.promotions().to_pylist()
    rows[1] |= {"champion_after": "linear_thompson", "decision": "promoted", "lower": 0.0004, "reasons": []}
    html = page(nights.ordinary(promotions=pa.Table.from_pylist(rows, nights.PROMOTIONS)))
    assert "linear_thompson replaces uniform: its lower bound +0.0400 pp clears 0." in Document(html).text


def test_a_bound_that_clears_is_not_blamed_where_the_samples_are_too_few() -> None:
    row = nights.promotions().to_pylist()[1] | {"lower": 0.0004, "reasons": ["too few effective samples"]}
    html = page(nights.ordinary(promotions=pa.Table.from_pylist([row], nights.PROMOTIONS)))
    assert "Champion stays uniform: linear_thompson — too few effective samples." in Document(html).text


def test_the_numbers_are_those_of_the_tables(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    assert "linear_thompson DR 0.510 % 0.220 to 0.800 % 9,992 612" in text
    assert "logged policy its own mean 0.380 % 9,992" in text
    assert "bts outside reference, not evaluated 0.506 % 1,384" in text
    assert "impressions 1,407 −25" in text
    assert "impressions out of range propensity > 0 12" in text
    assert "rows in quarantine 14" in text
    assert "click credited 6 task before impression 1" in text
    assert "5f2c" * 16 in text


def test_unhealthy_weights_are_marked(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    few = "612 (6.12 % of n); 1,000 take about 17,000"
    assert f"linear_thompson ! look 0.934 (0.909 to 0.961) ! look {few} ✓ ok 38.2 ✓ ok 0 %" in text
    assert "popularity ✓ ok 1.00 (0.981 to 1.03) ✓ ok 3,120" in text


def test_the_charts_draw_the_estimates_and_say_so_to_a_screen_reader(ordinary_html: str) -> None:
    document = Document(ordinary_html)
    assert Counter(tag for tag, _ in document.elements)["svg"] == len(document.figures()) == 4
    assert all(len(label) > 40 for label in document.figures())
    assert "bts (outside, not evaluated)" in document.text
    assert "popularity − uniform" in document.text


def test_a_value_without_an_interval_says_why_and_is_drawn() -> None:
    """No reward came: nothing varies, which is no certainty."""
    remark = "nothing varies: a join of rewards that failed looks exactly like this"
    nothing = {"stderr": None, "lower": None, "upper": None, "remark": remark}
    rows = [nights.evaluation("uniform", "dr", 0.0, 0.0, **nothing)]
    html = page(nights.ordinary(evaluations=pa.Table.from_pylist(rows, nights.EVALUATIONS)))
    assert f"uniform by DR: {remark}." in html
    assert "No value can be estimated yet" not in html


def test_effective_samples_that_are_too_few_say_how_many_it_would_take() -> None:
    """611.7 of 9,992: a gate that asks for 2,000 needs 3.3 times as many."""
    html = page(nights.ordinary(min_ess=2000.0))
    assert "612 (6.12 % of n); 2,000 take about 33,000" in html
    assert "9,992 (100 % of n)</span>" in html


def test_only_the_arms_most_shown_are_drawn() -> None:
    document = Document(page(two_hundred_arms()))
    assert "How often each of 200 arms" in document.text
    assert "The other 180 arms have" in document.text
    assert document.figures()[-1].count("% of slates") == 20


def test_an_empty_night_says_so() -> None:
    document = Document(page(nights.empty()))
    assert "Nothing to judge tonight: no reward has matured yet." in document.text
    assert "No row was turned away" in document.text
    assert "No slate was written." in document.text
    assert "svg" not in document.tags
    assert not re.search(r"\b(None|nan|NaN)\b", document.text)


def test_a_program_with_two_issues_gets_a_verdict_each() -> None:
    def both(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        return pa.Table.from_pylist(rows + [row | {"issue": "pricing"} for row in rows], table.schema)

    report = nights.ordinary(evaluations=both(nights.evaluations()), promotions=both(nights.promotions()))
    text = Document(page(report)).text
    assert "2 issues were judged tonight." in text
    assert "pricing Champion stays uniform" in text
    assert "What each policy is worth: pricing" in text


def test_strings_from_outside_stay_text() -> None:
    document = Document(page(nights.hostile()))
    assert not document.tags & {"script", "img", "iframe", "object", "a"}
    assert not [name for _, attrs in document.elements for name in attrs if name.startswith("on")]
    assert document.text.count("<script>alert('x')</script>") > 10


@pytest.mark.parametrize("night", [nights.ordinary, nights.empty, nights.hostile])
def test_the_page_needs_nothing_outside_itself(night: object) -> None:
    html = page(night())  # type: ignore[operator]
    document = Document(html)
    assert not document.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image"}
    addresses = {
        name
        for _, attrs in document.elements
        for name in attrs
        if name in {"src", "href", "xlink:href", "action", "srcset"}
    }
    assert addresses == set()
    styles = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in styles
    assert "@import" not in styles
    policies = [attrs["content"] for _, attrs in document.elements if "http-equiv" in attrs]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_ids_in_the_page_are_unique(ordinary_html: str) -> None:
    ids = [attrs["id"] for _, attrs in Document(ordinary_html).elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_same_night_gives_the_same_page(ordinary_html: str) -> None:
    assert page(nights.ordinary()) == ordinary_html

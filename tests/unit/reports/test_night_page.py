"""The page of a night says the right numbers, needs nothing outside itself and can't be written into."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from tests.unit.reports import nights

from nightslate.reports.night_page import page
from nightslate.reports.night_report import NightReport

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
    assert "Champion stays uniform: the evidence for linear_thompson is worth 41.2 of 132 needed." in text


def test_a_champion_that_no_row_has_taught_is_told_at_the_top(ordinary_html: str) -> None:
    word = "the champion star is fitted on 0 rows: none of the 28 days up to 2024-03-02 teaches it"
    text = Document(page(nights.ordinary(untaught=word))).text
    assert word in text[: text.index("What each policy is worth")]
    assert "fitted on 0 rows" not in Document(ordinary_html).text


def test_the_gate_shows_what_the_evidence_for_each_challenger_is_worth(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    assert (
        "popularity uniform kept worth 1.80 of 32.9 needed 13 +0.0660 pp −0.264 pp why the evidence for"
        " popularity is worth 1.8 after 13 days, and it takes 32.9 linear_thompson uniform kept worth 41.2 of"
        " 132 needed 13 +0.129 pp −0.201 pp why" in text
    )
    assert "the effective sample size 611.7 is under 1000" in text
    assert "All challengers of a reign share α = 0.05" in text


def test_the_gate_says_what_it_assumes(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    assert "the users of a day are independent of one another" in text
    assert "no carry-over" in text


def test_rewards_that_were_clipped_at_a_range_nobody_declared_are_said_to_be(ordinary_html: str) -> None:
    learnt = Document(ordinary_html).text
    assert (
        "0 % to 100 % at the widest, because none is declared: what is tested is the mean of rewards"
        in learnt
    )
    for text in (learnt, Document(page(nights.ordinary(range_declared=True))).text):
        assert "10 of 18,200 impressions were clipped; 39 more, beyond a user’s first 10 of a day" in text
    assert "count within the declared range. 10 of" in text
    assert "none is declared" not in text


def test_a_margin_is_named_where_there_is_one() -> None:
    text = Document(page(nights.ordinary(margin=0.001))).text
    assert "better than the champion by more than +0.100 pp; what has become of it" in text


def test_days_whose_logs_changed_after_their_evidence_was_taken_are_reported(ordinary_html: str) -> None:
    text = Document(page(nights.ordinary(changed="2019-11-12, 2019-11-15"))).text
    assert "The logs of 2019-11-12, 2019-11-15 changed after their evidence was taken." in text
    assert "changed after their evidence" not in Document(ordinary_html).text


def test_of_many_challengers_the_table_has_all_and_the_chart_those_nearest_to_promotion() -> None:
    row, terms = nights.promotions().to_pylist()[0], nights.evidence(("popularity",)).to_pylist()
    names = [f"challenger_{i}" for i in range(8)]
    report = nights.ordinary(
        promotions=pa.Table.from_pylist(
            [row | {"challenger": name, "joined": i + 1} for i, name in enumerate(names)], nights.PROMOTIONS
        ),
        evidence=pa.Table.from_pylist(
            [term | {"policy": name} for name in names for term in terms], nights.EVIDENCE
        ),
    )
    text = Document(page(report)).text
    assert "the challengers that are nearest to their promotion; the table has 2 more" in text
    assert all(f"{name} uniform kept worth 1.80 of 32.9 needed" in text for name in names)


def test_a_challenger_without_evidence_says_so() -> None:
    reasons = ["there is no evidence on popularity yet"]
    nothing = {"cohorts": 0, "log_capital": 0.0, "difference": None, "lower": None, "reasons": reasons}
    rows = [row | nothing for row in nights.promotions().to_pylist()[:1]]
    report = nights.ordinary(
        promotions=pa.Table.from_pylist(rows, nights.PROMOTIONS), evidence=nights.EVIDENCE.empty_table()
    )
    document = Document(page(report))
    assert "Champion stays uniform: there is no evidence on any challenger yet." in document.text
    assert "popularity uniform kept none yet 0 – –" in document.text
    assert not any("evidence" in label for label in document.figures())


def test_progressive_estimates_lead_and_say_whose_value_they_are(ordinary_html: str) -> None:
    text = Document(ordinary_html).text
    assert (
        "Progressive : each policy as it was fitted before the day on which it is weighed; weights before"
        " goals, priority and diversity; all users, shown 2019-11-10 to 2019-11-22." in text
    )
    leads, _, tonight = text.partition("The policies as they are fitted tonight")
    assert "linear_thompson DR 0.510 % 0.220 to 0.800 % 9,992 612" in leads
    assert "0.594 %" not in leads
    assert "linear_thompson DR 0.594 % 0.324 to 0.864 % 19,800 1,210" in tonight
    assert "weighed on users that it was not fitted on" in tonight
    assert "shown 2019-10-30 to 2019-11-26. These intervals are narrower than they should be" in tonight
    assert "The gate does not go by them." in tonight


def test_while_no_day_was_weighed_by_earlier_models_cross_fitted_estimates_lead_and_the_page_says_why() -> (
    None
):
    rows = nights.fitted_tonight().to_pylist()
    rows += [nights.evaluation("uniform", "dr", None, 0.0, n=0, clusters=0, first_day=None, last_day=None)]
    report = nights.ordinary(evaluations=pa.Table.from_pylist(rows, nights.EVALUATIONS))
    text = Document(page(report)).text
    assert "Cross-fitted : each policy as it is fitted tonight, weighed on users that it was not" in text
    assert "No day has been weighed yet by policies of before it, so these lead for now." in text
    assert "linear_thompson DR 0.594 % 0.324 to 0.864 % 19,800 1,210" in text
    assert "The policies as they are fitted tonight" not in text


def test_a_learner_that_is_new_says_which_days_it_is_weighed_on() -> None:
    since = {"n": 412, "first_day": date(2019, 11, 21)}
    rows = [nights.evaluation("uniform", "dr", 0.004, 0.001)]
    rows += [nights.evaluation("newcomer", name, 0.004, 0.001, **since) for name in ("dr", "ips")]
    html = page(nights.ordinary(evaluations=pa.Table.from_pylist(rows, nights.EVALUATIONS)))
    said = "newcomer: had models for what was shown 2019-11-21 to 2019-11-22 alone. The other lines are about"
    assert said in html
    assert "uniform: had models" not in html


def test_the_unit_that_is_weighed_is_named() -> None:
    assert "18,200 decisions were clipped" in Document(page(nights.ordinary(weighs_decisions=True))).text


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
    assert Counter(tag for tag, _ in document.elements)["svg"] == len(document.figures()) == 5
    assert all(len(label) > 40 for label in document.figures())
    assert "bts (outside, not evaluated)" in document.text
    assert "popularity − uniform" in document.text
    assert "132 needed" in document.text
    assert any("linear_thompson worth 41.2 of 132 needed" in label for label in document.figures())


def test_a_value_without_an_interval_says_why_and_is_drawn() -> None:
    """No reward came: nothing varies, which is no certainty."""
    remark = "nothing varies: a join of rewards that failed looks exactly like this"
    nothing = {"stderr": None, "lower": None, "upper": None, "remark": remark}
    rows = [nights.evaluation("uniform", "dr", 0.0, 0.0, **nothing)]
    html = page(nights.ordinary(evaluations=pa.Table.from_pylist(rows, nights.EVALUATIONS)))
    assert f"uniform by DR: {remark}." in html
    assert "No value can be estimated yet" not in html


def test_an_impression_that_makes_an_estimate_alone_is_named_with_what_it_moves() -> None:
    odd = {"made_by": "impression i17", "moves": -0.0077, "stderr_of_others": 0.00028}
    rows = [nights.evaluation("uniform", name, 0.004, 0.001, **odd) for name in ("dr", "ips")]
    html = page(nights.ordinary(evaluations=pa.Table.from_pylist(rows, nights.EVALUATIONS)))
    assert (
        "impression i17 alone moves uniform by DR: −0.770 pp (the standard error of all others is 0.0280 %),"
        " uniform by IPS:"
    ) in html


def test_keys_of_outcomes_that_nobody_was_shown_with_are_told_at_the_top() -> None:
    warning = 'only 0 of 3 outcomes have a user_id that is among the impressions: it is like "7.0"'
    html = page(nights.ordinary(strangers=warning))
    assert "only 0 of 3 outcomes have a user_id" in html.split('class="tiles"')[0]
    assert "look</span>only" not in page(nights.ordinary())


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

    report = nights.ordinary(
        evaluations=both(nights.of_both_estimands()), promotions=both(nights.promotions())
    )
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


def test_the_page_of_all_nights_is_a_click_away_and_nothing_else_is() -> None:
    document = Document(page(nights.ordinary(all_nights="../index.html")))
    assert [attrs["href"] for _, attrs in document.elements if "href" in attrs] == ["../index.html"]


def test_ids_in_the_page_are_unique(ordinary_html: str) -> None:
    ids = [attrs["id"] for _, attrs in Document(ordinary_html).elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_same_night_gives_the_same_page(ordinary_html: str) -> None:
    assert page(nights.ordinary()) == ordinary_html


def test_what_promotions_promised_stands_on_the_first_screen_beside_what_came():
    header = page(nights.ordinary()).partition("</header>")[0]
    assert "<dt>promises kept</dt><dd>1 of 2</dd>" in header
    broken, kept, young = re.findall(r"<tr><td>2019-11-.*?</tr>", header, re.DOTALL)
    assert "popularity" in broken
    assert "0.520 %" in broken
    assert "0.420 %" in broken
    assert "! no" in broken
    assert "✓ yes" in kept
    assert "not known yet" in young


def test_without_a_promotion_nothing_is_promised():
    assert "promises kept" not in page(nights.empty())

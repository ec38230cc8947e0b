"""The dashboard in a headless Chromium: its filters are used, what changes is read, axe-core looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from tests.unit.reports import dashboards

from nightslate.reports.dashboard.page import SECTIONS
from nightslate.reports.dashboard.page import page as dashboard
from nightslate.reports.numbers import significant

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
OUTSIDE = dashboards.OUTSIDE
LAST = dashboards.FIRST + timedelta(days=11)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium on the PATH, in which the tests of pages open them (apt-get install chromium)",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "index.html"
    path.write_text(dashboard(dashboards.report()), "utf-8")
    return path


class Opened:
    """The page as a reader has it, and what it asked for or complained of."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(file.as_uri())
        self.drawn()

    def drawn(self) -> None:
        self.page.evaluate("window.drawn()")

    def choose(self, selector: str, option: str) -> None:
        self.page.select_option(selector, option)
        self.drawn()

    def nights(self, since: str = "", until: str = "") -> None:
        for name, day in (("since", since), ("until", until)):
            if day:
                self.page.fill(f"#{name}", day)
                self.page.dispatch_event(f"#{name}", "change")
        self.drawn()

    def table(self, section: str) -> list[list[str]]:
        rows = self.page.query_selector_all(f"#{section} tbody tr")
        return [[cell.text_content() or "" for cell in row.query_selector_all("td")] for row in rows]

    def lines(self, section: str) -> int:
        """How many lines are drawn in a section's first chart."""
        return len(self.page.query_selector_all(f"#{section} figure:first-of-type .mark-line path[d]"))

    def dates(self, section: str) -> list[str]:
        """What stands along the axis of a section's first chart."""
        labels = f"#{section} figure:first-of-type .role-axis-label text"
        texts = [each.text_content() or "" for each in self.page.query_selector_all(labels)]
        return [text for text in texts if "2026" in text]


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Iterator[Opened]:
    context = browser.new_context()
    yield Opened(context.new_page(), file)
    context.close()


@pytest.fixture
def opened(shared: Opened) -> Opened:
    """The page as it is when it has just been opened."""
    shared.choose("#issue", "homepage")
    shared.choose("#theme", "")
    shared.page.click("#all")
    shared.drawn()
    return shared


def test_it_opens_without_a_word_and_asks_for_nothing_but_itself(shared: Opened, file: Path) -> None:
    assert shared.asked == [file.as_uri()]
    assert shared.said == []


def test_the_first_screen_has_the_newest_night(opened: Opened) -> None:
    def told() -> list[str]:
        return [each.inner_text().split("\n")[0] for each in opened.page.query_selector_all(".tiles dd")]

    said, effect, share, came, champion, worth, lift, slates, took = told()
    assert (share, came) == ("52.0 %", "12")
    assert (said, champion, slates, took) == ("ship", "linear_thompson", "5,000", "2 min")
    assert effect == significant(dashboards.effect("engagement", "personalised", "cuped", LAST))
    logged, promoted = (100 * dashboards.value("homepage", name, LAST) for name in ("logged", champion))
    assert worth.startswith(f"{promoted:.2f}")
    assert lift.startswith(f"{promoted - logged:.3f}".replace("-", "\N{MINUS SIGN}"))

    opened.nights(until="2026-01-03")
    assert (told()[0], told()[4]) == ("go on", "uniform")


def test_every_section_draws_what_it_has(opened: Opened) -> None:
    for section in ("value", "lift", "calibration", "drift"):
        assert opened.lines(section) > 1, section
    for section in opened.page.query_selector_all("section"):
        assert section.query_selector(".chart svg"), section.get_attribute("id")
        assert not section.query_selector(".empty").is_visible()  # type: ignore[union-attr]


def test_another_issue_has_its_own_policies_unit_and_figures(opened: Opened) -> None:
    assert {row[0] for row in opened.table("value")} == {*dashboards.POLICIES["homepage"], OUTSIDE}
    assert opened.lines("value") == 5
    assert opened.page.inner_text("#value [data-unit]") == "clicks per impression, in percent"
    assert opened.page.inner_text("#lift [data-unit]") == "clicks per impression, in percentage points"
    percent = dashboards.value("homepage", "uniform", LAST) * 100
    assert ["uniform", "baseline", f"{percent:.2f}"] in [row[:3] for row in opened.table("value")]

    opened.choose("#issue", "mail")

    assert {row[0] for row in opened.table("value")} == {*dashboards.POLICIES["mail"], OUTSIDE}
    assert opened.lines("value") == 4
    assert opened.page.inner_text("#value [data-unit]") == "purchases"
    purchases = dashboards.value("mail", "uniform", LAST)
    assert ["uniform", "baseline", f"{purchases:.4f}"] in [row[:3] for row in opened.table("value")]
    assert opened.table("ledger")[0][1:5] == ["popularity", "uniform", "0.0520", "0.0470"]
    assert len(opened.table("drift")) == 2  # features are of no issue


def test_readouts_are_picked_by_metric_users_segment_and_variant(opened: Opened) -> None:
    def variants() -> dict[str, str]:
        """The effect of each, as the table has it."""
        return {row[0]: row[4] for row in opened.table("readouts")}

    def shown(metric: str, variant: str) -> str:
        return significant(dashboards.effect(metric, variant, "cuped", LAST))

    assert variants() == {name: shown("engagement", name) for name in ("personalised", "rule")}
    assert opened.lines("readouts") == 2
    opened.choose("#readouts [data-pick=metric]", "opt_outs")
    assert variants() == {name: shown("opt_outs", name) for name in ("personalised", "rule")}
    opened.choose("#readouts [data-pick=segment]", "age young")
    opened.choose("#readouts [data-pick=users]", "all who were assigned")
    assert len(variants()) == 2
    opened.page.uncheck("#readouts [data-pick=variant] input[value=rule]")
    opened.drawn()
    assert list(variants()) == ["personalised"]
    assert opened.lines("readouts") == 1
    opened.choose("#issue", "mail")
    assert opened.page.inner_text("#readouts .empty").startswith("No experiment has been read out")


def test_a_range_of_nights_moves_charts_and_tables(opened: Opened) -> None:
    assert opened.dates("value")[-1] == "12 Jan 2026"
    assert len(opened.table("nights")) == 12

    opened.nights("2026-01-03", "2026-01-06")

    assert (opened.dates("value")[0], opened.dates("value")[-1]) == ("3 Jan 2026", "6 Jan 2026")
    value = 100 * dashboards.value("homepage", "uniform", dashboards.FIRST + timedelta(days=5))
    assert ["uniform", "champion", f"{value:.2f}"] in [row[:3] for row in opened.table("value")]
    assert [row[0] for row in opened.table("nights")] == [f"2026-01-0{day}" for day in (6, 5, 4, 3)]
    assert "2026-01-03 to 2026-01-06" in opened.page.inner_text("#shown")
    assert "2026-01-06" in opened.page.inner_text("#value summary")


def test_before_anybody_was_promoted_the_ledger_says_so(opened: Opened) -> None:
    assert opened.table("ledger")[0][:4] == ["2026-01-06", "linear_thompson", "uniform", "5.20"]
    opened.nights(until="2026-01-05")
    assert opened.page.is_visible("#ledger .empty")
    assert not opened.page.is_visible("#ledger table")


def test_a_range_without_nights_says_so_and_comes_back(opened: Opened) -> None:
    opened.nights("2026-01-09", "2026-01-02")
    assert "begins after it ends" in opened.page.inner_text("#shown")
    assert opened.page.is_visible("#value .empty")
    opened.page.click("#all")
    opened.drawn()
    assert len(opened.table("nights")) == 12


def test_a_policy_that_is_unticked_goes_and_the_others_keep_their_colours(opened: Opened) -> None:
    def colours() -> list[str | None]:
        paths = opened.page.query_selector_all("#value .mark-line path[d]")
        return [path.get_attribute("stroke") for path in paths]

    every = colours()
    assert len(set(every)) == 5
    opened.page.uncheck("#value fieldset input[value=linear_thompson]")
    opened.drawn()
    assert "linear_thompson" not in {row[0] for row in opened.table("value")}
    assert colours() == every[1:]
    opened.page.check("#value fieldset input[value=linear_thompson]")


def test_lift_is_against_whom_one_picks(opened: Opened) -> None:
    assert {row[1] for row in opened.table("lift")} == {"linear_thompson"}
    opened.choose("#lift select", "what was logged")
    assert {row[1] for row in opened.table("lift")} == {"logged"}
    assert {row[0] for row in opened.table("lift")} == {"linear_thompson", "linear_ucb", "uniform"}


def test_nights_link_to_their_pages(opened: Opened) -> None:
    opened.page.click("#nights summary")
    assert opened.page.get_attribute("#nights tbody a", "href") == f"homepage/{LAST}.html"
    opened.choose("#issue", "mail")
    assert opened.page.get_attribute("#nights tbody a", "href") == f"mail/{LAST}.html"


def test_the_keyboard_reaches_every_filter_and_moves_the_page(opened: Opened) -> None:
    page = opened.page
    page.evaluate("document.activeElement.blur()")
    page.focus(".skip")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert next(name for name in reached if name in ("issue", "since", "until", "all", "theme")) == "issue"
    assert {"issue", "since", "until", "all", "theme", "SUMMARY", "SELECT", "A"} <= set(reached)
    page.focus("#issue")
    page.keyboard.press("ArrowDown")
    opened.drawn()
    assert {row[0] for row in opened.table("value")} == {*dashboards.POLICIES["mail"], OUTSIDE}


@pytest.mark.parametrize(
    ("system", "chosen", "theme"),
    [("light", "", "light"), ("dark", "", "dark"), ("light", "dark", "dark"), ("dark", "light", "light")],
)
def test_themes_follow_the_system_until_the_reader_chooses(
    opened: Opened, system: Literal["light", "dark"], chosen: str, theme: str
) -> None:
    page = opened.page
    page.emulate_media(color_scheme=system)
    opened.choose("#theme", chosen)
    behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert behind == {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 22, 28)"}[theme]
    drawn = page.evaluate("getComputedStyle(document.querySelector('#value .mark-line path')).stroke")
    assert drawn == {"light": "rgb(37, 99, 235)", "dark": "rgb(122, 167, 255)"}[theme]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(opened: Opened, theme: str) -> None:
    opened.choose("#theme", theme)
    for details in opened.page.query_selector_all("details"):
        details.evaluate("place => { place.open = true; }")
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()


def test_a_program_without_a_night_has_a_page_that_says_so(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(dashboard(dashboards.empty()), "utf-8")
    empty = Opened(browser.new_page(), path)
    assert empty.said == []
    of_all = [maker for maker in SECTIONS if maker.made(dashboards.empty()).of_all]
    assert len(empty.page.query_selector_all(".empty:visible")) == len(of_all) < len(SECTIONS)
    assert not empty.page.query_selector_all(".chart:visible")
    empty.page.close()


def test_names_from_outside_stay_text(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(dashboard(dashboards.hostile()), "utf-8")
    hostile = Opened(browser.new_page(), path)
    assert hostile.said == []
    assert hostile.asked == [path.as_uri()]
    assert not hostile.page.query_selector_all("main img, main script")
    assert dashboards.HOSTILE in [row[0] for row in hostile.table("exposure")]
    assert hostile.lines("value") == 4
    hostile.page.close()


def test_paper_is_light_and_has_the_tables_instead_of_the_filters(opened: Opened) -> None:
    page = opened.page
    opened.choose("#theme", "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('#value h2')).color") == "rgb(31, 42, 55)"
    assert not page.is_visible("#filters")
    assert page.is_visible("#shown")
    assert page.is_visible("#value table")
    page.emulate_media(media="screen")


def test_of_filters_that_are_moved_in_haste_the_last_one_is_drawn_once(opened: Opened) -> None:
    opened.page.evaluate(
        """() => {
            const issue = document.getElementById("issue");
            for (const name of ["mail", "homepage", "mail"]) {
                issue.value = name;
                issue.dispatchEvent(new Event("change"));
            }
        }"""
    )
    opened.drawn()
    assert len(opened.page.query_selector_all("#value .chart svg")) == 1
    assert opened.lines("value") == 4

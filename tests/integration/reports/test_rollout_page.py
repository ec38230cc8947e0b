"""The pages of a rollout in a headless Chromium: they ask for nothing, fit a telephone, and axe-core looks at
them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from tests.unit.reports import dashboards, rollouts

from nightslate.reports.dashboard.page import page as dashboard
from nightslate.reports.rollout_page import page

from .test_dashboard import CHROMIUM, FLAGS, pytestmark  # noqa: F401 -- where there is no Chromium, none of it runs


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def night(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("reports") / "2026-03-09.html"
    path.write_text(page(rollouts.ordinary()), "utf-8")
    asked: list[str] = []
    opened = browser.new_page()
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(path.as_uri())
    assert asked == [path.as_uri()]
    for details in opened.query_selector_all("details"):
        details.evaluate("place => { place.open = true; }")
    yield opened
    opened.close()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_axe_finds_nothing(night: Page, system: Literal["light", "dark"]) -> None:
    night.emulate_media(color_scheme=system)
    results = Axe().run(night)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", [400, 1100])
def test_nothing_runs_over_the_edge(night: Page, width: int) -> None:
    night.set_viewport_size({"width": width, "height": 900})
    assert night.evaluate("document.documentElement.scrollWidth") <= width


def test_what_happened_is_marked_over_the_shares(night: Page) -> None:
    marks = night.query_selector_all("figure:first-of-type .mark-symbol path")
    shapes = {each.get_attribute("fill") for each in marks}
    assert {"#047857", "#7e22ce", "#b45309", "#be123c"} <= shapes


def test_all_nights_of_a_program_without_slates_are_drawn(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(dashboard(dashboards.of_rollout()), "utf-8")
    said: list[str] = []
    opened = browser.new_page()
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(path.as_uri())
    opened.evaluate("window.drawn()")
    lines = opened.query_selector_all("#rollouts figure:first-of-type .mark-line path[d]")
    assert (len(lines), said) == (1, [])
    opened.select_option('#rollouts [data-pick="segment"]', "region north")
    opened.evaluate("window.drawn()")
    assert "in the north" in opened.inner_text("#rollouts tbody")
    results = Axe().run(opened)
    assert results.violations_count == 0, results.generate_report()
    opened.close()
